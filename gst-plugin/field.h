/* Properties that are plain fields of an element: a table says where the field
 * of each property is, these set and get it.
 *
 *   static const gsize fields[] = {
 *     [PROP_COLOR] = G_STRUCT_OFFSET (GstDefcnOverlay, style.color),
 *   };
 *   gst_defcn_field_set (G_STRUCT_MEMBER_P (self, fields[id]), value);
 *
 * The field is of the C type that the property's type says: char * (owned),
 * gboolean, int, guint, guint64, float; an enum or a set of flags has the size
 * of an int.  A property of any other type is a fault of the program.
 *
 * Thread rule: none of its own; the element's lock guards the field.
 */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

void gst_defcn_field_set (gpointer field, const GValue *value);
void gst_defcn_field_get (GValue *value, gconstpointer field);

/* Whether the field has another value than @value, as @pspec compares them. */
gboolean gst_defcn_field_differs (gconstpointer field, const GValue *value,
    GParamSpec *pspec);

/* Says on the bus that the property keeps its value while @element runs; with
 * no lock held. */
void gst_defcn_field_warn_fixed (GstElement *element, const GParamSpec *pspec);

G_END_DECLS
