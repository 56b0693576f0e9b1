/* The mark of one frame by one defcndetect; meta.h says how it is attached. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_DEFCN_META_NAME "defcn-detections"
#define GST_DEFCN_META_OBJECTS_NAME "defcn-objects"

typedef struct
{
  gboolean inferred;
  const char *reason; /* interned, "" for none */
  gboolean repeated;
  GstClockTime timestamp; /* PTS of the frame that was looked at */
  const char *model;      /* interned SHA-256, "" when not known */
  gboolean fresh;         /* the first to tell of that result */
  const char *model_name; /* interned, without folders, "" when not known */
  const char *detector;   /* interned name of the element, "" likewise */
  guint64 frame;          /* number of the frame in that element, from 0 */
  guint lost;             /* read only: objects whose boxes are lost */
  gboolean predicted;     /* of earlier frames, moved on by defcntrack */
  /* Interned names of the classes that are told of, as gst_defcn_list_split()
   * takes them; NULL or "" when not known. */
  const char *classes;
  gboolean partial; /* not of the whole frame, or not all that was found */
} GstDefcnMark;

G_END_DECLS
