/* Text by Pango, where that is built in.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "run.h"

G_BEGIN_DECLS

typedef struct _GstDefcnPango GstDefcnPango;

gboolean gst_defcn_pango_is_there (void);

/* As gst_defcn_text_new(); NULL where there is no Pango, or no font. */
GstDefcnPango *gst_defcn_pango_new (const char *font, int size, int max_width);
void gst_defcn_pango_free (GstDefcnPango *pango);

/* @string: UTF-8, taken as it is: no markup, and one line.  Too long ones end
 * with an ellipsis. */
void gst_defcn_pango_render (GstDefcnPango *pango, GstDefcnRun *run,
    const char *string);

G_END_DECLS
