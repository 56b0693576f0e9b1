/* Texts as runs, in one font of one size, each rendered once.
 *
 * With Pango any script, else (or as "dots") the dot font of printable ASCII.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "run.h"

G_BEGIN_DECLS

/* The font that is always there. */
#define GST_DEFCN_TEXT_DOTS "dots"

typedef struct _GstDefcnText GstDefcnText;

/* @font: a Pango font description such as "Noto Sans Bold", without a size, or
 * GST_DEFCN_TEXT_DOTS; NULL: the best there is.  @size: of the em in pixels, of
 * the dot font the height of its line, rounded to whole dots.  @max_width: of a
 * run in pixels, longer ones are cut.  Never fails: where there is no Pango, or
 * no font that it would find, it is the dots. */
GstDefcnText *gst_defcn_text_new (const char *font, int size, int max_width);
void gst_defcn_text_free (GstDefcnText *text);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstDefcnText, gst_defcn_text_free)

/* Whether Pango is built in. */
gboolean gst_defcn_text_has_pango (void);

/* Pixels to be left free before, after and above the text of a label, and
 * below. */
typedef struct
{
  int before, after, above, below;
} GstDefcnTextBorder;
GstDefcnTextBorder gst_defcn_text_border (const GstDefcnText *text);

/* The run of @string, UTF-8; there until the next call of
 * gst_defcn_text_trim(). */
const GstDefcnRun *gst_defcn_text_run (GstDefcnText *text, const char *string);

/* For between two frames: lets go of runs when there are many. */
void gst_defcn_text_trim (GstDefcnText *text);
/* How many are kept. */
guint gst_defcn_text_count (const GstDefcnText *text);

G_END_DECLS
