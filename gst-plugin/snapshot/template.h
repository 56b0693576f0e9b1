/* Names of files out of a template and what others call things.
 *
 *   template = gst_defcn_template_new ("out/{source}/{label}-{id}.jpg", &e);
 *   gst_defcn_template_folder (template);           // "out"
 *   gst_defcn_template_expand (template, fields);   // "door/person-7.jpg"
 *
 * Fields are {source}, {label}, {id}, {time}, {pts}, {event}, {place} and {n};
 * "{{" is a brace.  Whatever they hold, the name stays below the folder, has as
 * many parts as the template, none of them hidden or longer than
 * GST_DEFCN_TEMPLATE_MAX bytes, and only characters that every file system
 * takes.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* Of one part of a path, which leaves room for a number and another ending. */
#define GST_DEFCN_TEMPLATE_MAX 200

typedef enum
{
  GST_DEFCN_FIELD_SOURCE,
  GST_DEFCN_FIELD_LABEL,
  GST_DEFCN_FIELD_ID,
  GST_DEFCN_FIELD_TIME,
  GST_DEFCN_FIELD_PTS,
  GST_DEFCN_FIELD_EVENT,
  GST_DEFCN_FIELD_PLACE,
  GST_DEFCN_FIELD_N,
  GST_DEFCN_N_FIELDS,
} GstDefcnField;

typedef struct _GstDefcnTemplate GstDefcnTemplate;

/* NULL, and @error of the domain GST_RESOURCE_ERROR, code SETTINGS: a field
 * that is not known or not closed, a ".." or an empty part behind the first
 * field, no name of a file. */
GstDefcnTemplate *gst_defcn_template_new (const char *location, GError **error);
void gst_defcn_template_free (GstDefcnTemplate *template);

/* The parts before the first that has a field; "." when there are none. */
const char *gst_defcn_template_folder (const GstDefcnTemplate *template);
/* How many folders are below that one. */
guint gst_defcn_template_depth (const GstDefcnTemplate *template);
/* Whether two names are never meant to be the same: {id}, {time}, {pts} or {n}
 * is in it. */
gboolean gst_defcn_template_is_unique (const GstDefcnTemplate *template);

/* Returns: (transfer full): the path below the folder.  @fields: of each what
 * it holds, in any encoding; NULL and "": "_". */
char *gst_defcn_template_expand (const GstDefcnTemplate *template,
    const char *const fields[GST_DEFCN_N_FIELDS]);

G_END_DECLS
