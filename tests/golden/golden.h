/* Tensors of the golden set for tests.  A file that is absent skips the test
 * by name; a damaged one or a missing tensor ends the program. */
#pragma once

#include "weights.h"

G_BEGIN_DECLS

/* Returns: (transfer full): the file @below the golden folder, or NULL after
 * g_test_skip(). */
DefcnWeights *testing_golden_open (const char *below);
/* (transfer full): its text, or NULL after g_test_skip(). */
char *testing_golden_text (const char *below);

gboolean testing_golden_has (const DefcnWeights *file, const char *name);
/* All values of an F32 tensor; *@len (optional) elements.  (transfer full) */
float *testing_golden_floats (const DefcnWeights *file, const char *name,
    gsize *len);
/* The same of an I32, I64 or U8 tensor. */
int *testing_golden_ints (const DefcnWeights *file, const char *name,
    gsize *len);
/* The file's dims. */
const gint64 *testing_golden_dims (const DefcnWeights *file, const char *name);

/* (N,C,H,W) -> (N,H,W,C) in place. */
void testing_golden_to_nhwc (float *values, int n, int c, int h, int w);

/* Largest |found - want| over the largest |want|; for all-zero @want the
 * largest |found|; infinite where something is not a number. */
double testing_golden_difference (const float *found, const float *want,
    gsize len);

G_END_DECLS
