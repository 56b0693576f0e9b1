/* What a label says: the property label-format.
 *
 *   "#{id} {label} {confidence}"      "{label} {age}s {{{detector}}}"
 *
 * Fields are
 *
 *   label       the class, "?" where it has no name
 *   class       its number in the model
 *   confidence  0.00 to 1.00
 *   id          of the track
 *   age         whole seconds since it was found first
 *   state       of the track, "new" or "confirmed"
 *   detector    name of the element that found it
 *
 * and "{{" and "}}" are braces.  A word (what is between blanks) of which a
 * field is not known is left out.
 *
 * Thread rule: re-entrant; a format never changes.
 */
#pragma once

#include "object.h"

G_BEGIN_DECLS

/* As labels are without any. */
#define GST_DEFCN_LABEL_DEFAULT "#{id} {label} {confidence}"

typedef struct _GstDefcnLabel GstDefcnLabel;

/* NULL, with an @error of GST_RESOURCE_ERROR, SETTINGS that is UTF-8, when
 * @format is none. */
GstDefcnLabel *gst_defcn_label_new (const char *format, GError **error);
GstDefcnLabel *gst_defcn_label_ref (GstDefcnLabel *label);
void gst_defcn_label_unref (GstDefcnLabel *label);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstDefcnLabel, gst_defcn_label_unref)

/* Appends the pieces of @object's label to @pieces, an array of char * that it
 * frees: fields, and what is between them, in their order.  None when the label
 * is empty. */
void gst_defcn_label_pieces (const GstDefcnLabel *label,
    const GstDefcnObject *object, GPtrArray *pieces);

G_END_DECLS
