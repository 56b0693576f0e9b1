/* Records on their way to a place. */
#include "output.h"

#include <string.h>

#include "place.h"

typedef enum
{
  ARRAY_NONE,
  ARRAY_BEGUN,
  ARRAY_ENDED,
} ArrayState;

#define ARRAY_END "\n]\n"

struct _GstDefcnOutput
{
  GstDefcnPlace *place;
  gint cancelled; /* atomic */

  gboolean array;
  ArrayState state;
  guint64 written; /* records in the array */
  guint64 records; /* of all */
  gboolean failed;
  gboolean cut; /* the last write did not wait to its end */
};

GstDefcnOutput *
gst_defcn_output_open (const char *location, int fd, GstDefcnOutputFlags flags,
    GError **error)
{
  const gboolean array = (flags & GST_DEFCN_OUTPUT_ARRAY) != 0;
  GstDefcnPlaceFlags how = array ? GST_DEFCN_PLACE_ALONE : 0;
  GstDefcnPlace *place;
  GstDefcnOutput *output;

  if (flags & GST_DEFCN_OUTPUT_APPEND)
    how |= GST_DEFCN_PLACE_APPEND;
  place = gst_defcn_place_open (location, fd, how, error);
  if (!place)
    return NULL;
  output = g_new0 (GstDefcnOutput, 1);
  output->place = place;
  output->array = array;
  return output;
}

static GstFlowReturn
write_text (GstDefcnOutput *output, const char *text, gboolean wait,
    gboolean *begun, GError **error)
{
  const GstFlowReturn flow =
      gst_defcn_place_write (output->place, text, wait, begun, error);

  output->failed = flow == GST_FLOW_ERROR;
  output->cut = flow == GST_FLOW_FLUSHING;
  return flow;
}

/* Back to before the end of the array; every record is longer than the end. */
static gboolean
reopen_array (GstDefcnOutput *output)
{
  return gst_defcn_place_go_back (output->place, strlen (ARRAY_END));
}

GstFlowReturn
gst_defcn_output_write (GstDefcnOutput *output, const char *record,
    GError **error)
{
  g_autofree char *text = NULL;
  gboolean begun, reopened;
  GstFlowReturn flow;

  if (output->failed)
    return GST_FLOW_ERROR;
  reopened = output->state == ARRAY_ENDED && reopen_array (output);
  if (output->state == ARRAY_NONE
      || (output->state == ARRAY_ENDED && !reopened))
    output->written = 0;
  if (!output->array)
    text = g_strconcat (record, "\n", NULL);
  else if (output->state == ARRAY_BEGUN || reopened)
    text = g_strconcat (output->written ? ",\n" : "\n", record, NULL);
  else
    text = g_strconcat ("[\n", record, NULL);

  flow = write_text (output, text, TRUE, &begun, error);
  if (begun) {
    output->state = ARRAY_BEGUN;
    output->written++;
    output->records++;
  } else if (reopened) {
    gst_defcn_place_go_to_end (output->place);
  }
  return flow;
}

static GstFlowReturn
end_array (GstDefcnOutput *output, gboolean wait, GError **error)
{
  GstFlowReturn flow;
  gboolean begun;

  if (output->failed)
    return GST_FLOW_ERROR;
  if (!output->array || output->state == ARRAY_ENDED)
    return GST_FLOW_OK;
  flow = write_text (output,
      output->state == ARRAY_NONE ? "[" ARRAY_END : ARRAY_END, wait, &begun,
      error);
  if (begun)
    output->state = ARRAY_ENDED;
  return flow;
}

GstFlowReturn
gst_defcn_output_end (GstDefcnOutput *output, GError **error)
{
  return end_array (output, TRUE, error);
}

guint64
gst_defcn_output_records (const GstDefcnOutput *output)
{
  return output->records;
}

void
gst_defcn_output_set_flushing (GstDefcnOutput *output, gboolean flushing)
{
  if (flushing || !g_atomic_int_get (&output->cancelled))
    gst_defcn_place_set_flushing (output->place, flushing);
}

void
gst_defcn_output_cancel (GstDefcnOutput *output)
{
  g_atomic_int_set (&output->cancelled, TRUE);
  gst_defcn_place_set_flushing (output->place, TRUE);
}

gboolean
gst_defcn_output_close (GstDefcnOutput *output, GError **error)
{
  const gboolean told = output->failed, cut = output->cut;
  gboolean begun;

  gst_defcn_place_set_flushing (output->place, FALSE);
  if (!told)
    write_text (output, "", FALSE, &begun, error);
  /* An array that lacks a record is not a whole one. */
  if (!output->failed && !output->cut && !cut)
    end_array (output, FALSE, error);

  const gboolean good =
      gst_defcn_place_close (output->place, output->failed ? NULL : error);
  const gboolean failed = output->failed || !good;

  g_free (output);
  return told || !failed;
}
