/* Failures inside the detector, brought there by what a frame has in its first
 * bytes: whoever sends the frame says so, and no other stream is meant.
 *
 * The program is linked with --wrap=defcn_detector_run_by, which is what the
 * plugin calls, and --wrap=aligned_alloc. */
#pragma once

#include <glib.h>

#define INJECT_SIZE 8

typedef enum
{
  INJECT_FAIL,   /* the run fails */
  INJECT_MEMORY, /* no memory can be had while it runs */
  INJECT_SLOW,   /* takes 100 ms more */
  INJECT_N
} Inject;

/* What to write at the beginning of the first plane. */
void inject_mark (guint8 *pixels, Inject what);
