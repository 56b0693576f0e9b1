/* One object that was found, and what it looks like as a structure.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* The longest label that is read, in bytes. */
#define GST_DEFCN_MAX_LABEL 255
/* How many different ones are remembered, of all that a process reads. */
#define GST_DEFCN_MAX_LABELS 4096

/* What is known of the track that an object is of. */
typedef struct
{
  gint64 id;          /* 1 or more; 0: none, or none yet */
  GQuark state;       /* "new" or "confirmed"; 0: nobody tracks */
  guint64 age;        /* ns since it was found first */
  double vx, vy;      /* of its centre, frame widths and heights a second */
  gboolean predicted; /* not found in this frame */
  GstClockTime first_seen; /* PTS, known to who attaches it */
} GstDefcnObjectTrack;

typedef struct
{
  double x_min, y_min, x_max, y_max; /* 0..1 of the frame, min < max */
  double confidence;                 /* 0..1; -1: lost on the way */
  int label_id;                      /* class index; -1: not known */
  GQuark label;                      /* UTF-8; 0: none */
  int parent_id; /* id of the ROI meta that was looked in, 0: none */
  GQuark parent; /* its type, 0: not known */
  /* Known to who reads them: */
  GQuark detector; /* name of the element that found it, 0: not known */
  int id;          /* of its ROI meta or ODMtd, which begin at 0; -1: none */
  GstDefcnObjectTrack track;
} GstDefcnObject;

/* A rectangle in whole pixels of a frame. */
typedef struct
{
  int x, y, w, h;
} GstDefcnPixels;

/* The pixels of @object in a frame of @width x @height, the same ones for who
 * crops, draws or publishes it.
 *
 * Each edge goes to the nearest border between two pixels: none moves by more
 * than half a pixel, and boxes that touch still do.  What is left is inside the
 * frame and at least one pixel each way; where rounding would leave none, it is
 * the pixel that the middle of the box lies in. */
GstDefcnPixels gst_defcn_object_pixels (const GstDefcnObject *object, int width,
    int height);

/* The box of @object is @pixels of a frame of @width x @height, or what of them
 * is inside it. */
void gst_defcn_object_set_pixels (GstDefcnObject *object,
    const GstDefcnPixels *pixels, int width, int height);

/* Returns: (transfer full): @name {label_id, confidence, x_min, x_max, y_min,
 * y_max}: the "detection" of a ROI meta, and the most of an object elsewhere.
 */
GstStructure *gst_defcn_object_to_structure (const GstDefcnObject *object,
    const char *name);

/* Takes these fields of @s, those that are missing or no numbers at -1.  FALSE
 * unless they have a box inside the frame that is normalised. */
gboolean gst_defcn_object_from_structure (GstDefcnObject *object,
    const GstStructure *s);

/* Adds the track of @object to @structure, object_id, track_state, track_age,
 * x_velocity, y_velocity and predicted; nothing where nobody tracks. */
void gst_defcn_object_track_to_structure (const GstDefcnObject *object,
    GstStructure *structure);

/* Takes these fields, none where they are not as they should be. */
void gst_defcn_object_track_from_structure (GstDefcnObject *object,
    const GstStructure *structure);

/* Makes what @error says, of names as others gave them, UTF-8: messages on the
 * bus hold no other text. */
void gst_defcn_error_make_valid (GError *error);
/* Sets @error, of the domain GST_RESOURCE_ERROR and the code SETTINGS.
 * Returns: FALSE. */
gboolean gst_defcn_error_settings (GError **error, const char *format, ...)
    G_GNUC_PRINTF (2, 3);
/* Posts @error, (transfer full), of a domain of GStreamer's, as an ERROR of
 * @element, without locks. */
void gst_defcn_error_post (GstElement *element, GError *error);

/* What is left of @text, which others wrote: UTF-8 of GST_DEFCN_MAX_LABEL bytes
 * at most, with U+FFFD for what is none and for control characters.  0 for
 * NULL.
 */
GQuark gst_defcn_object_label (const char *text);

G_END_DECLS
