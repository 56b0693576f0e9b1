/* Zones and lines in a text that fits a command line: a list of places, parted
 * by ";" or by ends of lines,
 *
 *   NAME: polygon X,Y X,Y X,Y .. [OPTION=VALUE ..]
 *   NAME: line X,Y X,Y [OPTION=VALUE ..]
 *
 * with the options classes=A,B (objects of these labels alone; "\," is a comma
 * and "\ " a blank within one), anchor=feet|centre|head|left|right,
 * hysteresis=SHARE, resolution=WIDTHxHEIGHT, and of zones min-time=MS and
 * loitering=MS.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "layout.h"

G_BEGIN_DECLS

/* Appends the places of @text to @layout.  @defaults: of those that say nothing
 * of their own.  FALSE, and @error that names the place, when something is
 * wrong; what was appended before it stays. */
gboolean gst_defcn_text_parse (GArray *layout, const char *text,
    const GstDefcnLayoutOptions *defaults, GError **error);

G_END_DECLS
