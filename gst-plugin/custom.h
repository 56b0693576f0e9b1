/* Custom metas, found by their name, and those of them that say where things
 * are in a picture: they go along only where that stays true.
 *
 * Thread rule: re-entrant; a buffer is for one thread.
 */
#pragma once

#include <gst/video/video.h>

G_BEGIN_DECLS

/* Makes the meta @name, a static string, known, once: one that goes along
 * everywhere. */
void gst_defcn_custom_register (const char *name);

/* The same of one that depends on size and orientation: it goes along where a
 * picture is converted or scaled to the same display aspect, and not where it
 * is cropped, turned or put into borders. */
void gst_defcn_custom_register_geometry (const char *name);

/* Returns: (transfer none): the structure of a new meta @name on @buffer. */
GstStructure *gst_defcn_custom_add (GstBuffer *buffer, const char *name);

/* The metas called @name of a buffer, one after the other: NULL after the last.
 */
GstStructure *gst_defcn_custom_next (GstBuffer *buffer, const char *name,
    gpointer *state);

/* Notes the crop of @buffer, if it has one, in what says where things are. */
void gst_defcn_custom_note_crop (GstBuffer *buffer, GstStructure *structure);

/* TRUE when the crop of @buffer is that which was noted: videocrop may leave
 * the memory as it is and change no more than that. */
gboolean gst_defcn_custom_same_crop (GstBuffer *buffer,
    const GstStructure *structure);

/* Sets a field to the array of @n @values. */
void gst_defcn_custom_set_ints (GstStructure *structure, const char *field,
    const int *values, guint n);

G_END_DECLS
