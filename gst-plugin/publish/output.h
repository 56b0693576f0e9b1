/* Records on their way to a place: one a line, or all in one JSON array.
 *
 * An array is ended by gst_defcn_output_end() and by closing.  What is written
 * after an end goes on with the array in a file that was opened here, and
 * begins another array, after the first, where there is no way back: standard
 * output, pipes and the descriptors of others.
 *
 *   output = gst_defcn_output_open ("a.json", -1, GST_DEFCN_OUTPUT_ARRAY,
 *       &error);
 *   gst_defcn_output_write (output, "{}", &error);   // [ {}
 *   gst_defcn_output_end (output, &error);           // [ {} ]
 *   gst_defcn_output_write (output, "{}", &error);   // [ {}, {} ]
 *   gst_defcn_output_close (output, &error);         // [ {}, {} ]
 *
 * Thread rule: one thread, but for gst_defcn_output_cancel() and
 * gst_defcn_output_set_flushing().
 */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct _GstDefcnOutput GstDefcnOutput;

typedef enum
{
  GST_DEFCN_OUTPUT_ARRAY = 1 << 0,
  GST_DEFCN_OUTPUT_APPEND = 1 << 1, /* not of an array */
} GstDefcnOutputFlags;

/* @location, @fd: of gst_defcn_place_open().  Lines go to the end of a file, an
 * array wants it alone.  NULL, and @error of the domain GST_RESOURCE_ERROR, if
 * it cannot be opened. */
GstDefcnOutput *gst_defcn_output_open (const char *location, int fd,
    GstDefcnOutputFlags flags, GError **error);

/* Writes @record, waiting for a reader, and for others who write there, as long
 * as that takes.  GST_FLOW_FLUSHING: cancelled, or flushing; what had begun is
 * completed by the next call.  GST_FLOW_ERROR: it cannot be written; from then
 * on every call returns the same, @error is set the first time alone. */
GstFlowReturn gst_defcn_output_write (GstDefcnOutput *output,
    const char *record, GError **error);

/* Completes the array, an empty one if there were no records; nothing where
 * that is done, and for lines.  Returns as gst_defcn_output_write(). */
GstFlowReturn gst_defcn_output_end (GstDefcnOutput *output, GError **error);

/* How many records have been written, or begun. */
guint64 gst_defcn_output_records (const GstDefcnOutput *output);

/* While flushing, a write that waits and every later one give up; from any
 * thread. */
void gst_defcn_output_set_flushing (GstDefcnOutput *output, gboolean flushing);
/* The same for good. */
void gst_defcn_output_cancel (GstDefcnOutput *output);

/* Completes what was begun, the array too, unless its reader is not there to
 * take it, and frees @output.  FALSE and @error for a failure that was not told
 * before. */
gboolean gst_defcn_output_close (GstDefcnOutput *output, GError **error);

G_END_DECLS
