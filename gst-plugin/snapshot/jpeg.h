/* JPEG by libjpeg-turbo, out.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* How much of a file gst_defcn_jpeg_is_ours() looks at. */
#define GST_DEFCN_JPEG_HEAD 64

/* Returns: (transfer full): @width x @height pixels of three bytes, R, G, B,
 * rows @stride bytes apart, as a file of @quality (1..100), with a comment by
 * which gst_defcn_jpeg_is_ours() knows it.  NULL, and @error of the domain
 * GST_STREAM_ERROR, code ENCODE: it is too large for the format, or for the
 * memory. */
GBytes *gst_defcn_jpeg_encode (const guint8 *rgb, int width, int height,
    int stride, int quality, GError **error);

/* Whether a file that begins with the @n bytes of @head was made here. */
gboolean gst_defcn_jpeg_is_ours (const guint8 *head, gsize n);

G_END_DECLS
