/* What the fuzzers share. */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

/* One input, as libFuzzer and the replay call it.  Returns: 0. */
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* A file that holds @data, for readers that want a path; it is in memory and
 * the next call replaces it.  Returns: its path. */
const char *fuzz_input_path (const uint8_t *data, size_t size);

/* Ends the program unless exactly one of @result and @error is set, and the
 * error says something. */
void fuzz_check (gconstpointer result, const GError *error);
