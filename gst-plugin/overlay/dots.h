/* Text of 5x7 dots, which is in the program itself: printable ASCII.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "run.h"

G_BEGIN_DECLS

/* Height of a line of it with a dot above and below, at a scale of 1. */
#define GST_DEFCN_DOTS_HEIGHT 9

/* @text: UTF-8.  Glyphs in cells of six dots' width, each dot @scale pixels;
 * what is not printable ASCII is drawn as '?', one for each character.  What is
 * wider than @max_width pixels is cut there or within the next character.
 * gst_defcn_run_clear() frees the mask. */
void gst_defcn_dots_render (GstDefcnRun *run, const char *text, int scale,
    int max_width);

G_END_DECLS
