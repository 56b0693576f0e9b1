/* Records on their way to a file, standard output or a descriptor. */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

typedef enum
{
  ARRAY_NONE,
  ARRAY_BEGUN,
  ARRAY_ENDED,
} ArrayState;

#define ARRAY_END "\n]\n"

struct _GstDefcnOutput
{
  char *name; /* for messages */
  int fd;
  gboolean ours; /* @fd is */
  GstPoll *poll; /* with @fd alone */
  GstClockTime patience;

  gboolean array;
  ArrayState state;
  guint64 written; /* records in the array */
  GstFlowReturn flow;
};

static void
set_error (const GstDefcnOutput *output, int number, GError **error)
{
  g_set_error (error, GST_RESOURCE_ERROR,
      number == ENOSPC ? GST_RESOURCE_ERROR_NO_SPACE_LEFT
                       : GST_RESOURCE_ERROR_WRITE,
      "Detections cannot be written to %s: %s", output->name,
      g_strerror (number));
}

static void
output_free (GstDefcnOutput *output)
{
  if (output->poll)
    gst_poll_free (output->poll);
  g_free (output->name);
  g_free (output);
}

/* Waiting is by poll(), so that it can be cancelled. */
static gboolean
watch (GstDefcnOutput *output, GError **error)
{
  GstPollFD fd = GST_POLL_FD_INIT;

  output->poll = gst_poll_new (TRUE);
  if (!output->poll) {
    set_error (output, errno, error);
    return FALSE;
  }
  fd.fd = output->fd;
  gst_poll_add_fd (output->poll, &fd);
  gst_poll_fd_ctl_write (output->poll, &fd, TRUE);
  return TRUE;
}

GstDefcnOutput *
gst_defcn_output_open (const char *location, int fd, gboolean array,
    GError **error)
{
  GstDefcnOutput *output = g_new0 (GstDefcnOutput, 1);

  output->array = array;
  output->patience = GST_CLOCK_TIME_NONE;
  if (fd >= 0) {
    output->fd = fd;
    output->name = g_strdup_printf ("descriptor %d", fd);
  } else if (!location || g_str_equal (location, "-")) {
    output->fd = STDOUT_FILENO;
    output->name = g_strdup ("standard output");
  } else {
    output->fd =
        g_open (location, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    output->name = g_strdup_printf ("\"%s\"", location);
    output->ours = TRUE;
  }
  if (output->fd < 0) {
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE,
        "%s cannot be opened for writing: %s", output->name,
        g_strerror (errno));
    output_free (output);
    return NULL;
  }
  if (watch (output, error))
    return output;
  if (output->ours)
    close (output->fd);
  output_free (output);
  return NULL;
}

/* Not more at a time than what a pipe that has room takes without waiting. */
static GstFlowReturn
write_all (GstDefcnOutput *output, const char *text, GError **error)
{
  gsize left = strlen (text);

  while (left > 0) {
    const int ready = gst_poll_wait (output->poll, output->patience);
    gssize n;

    if (ready == 0 || (ready < 0 && errno == EBUSY))
      return GST_FLOW_FLUSHING;
    n = write (output->fd, text, MIN (left, PIPE_BUF));
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
      continue;
    if (n < 0) {
      set_error (output, errno, error);
      return GST_FLOW_ERROR;
    }
    text += n;
    left -= n;
  }
  return GST_FLOW_OK;
}

/* Back to before the end of the array; every record is longer than the end. */
static gboolean
reopen_array (GstDefcnOutput *output)
{
  return output->ours
      && lseek (output->fd, -(off_t) strlen (ARRAY_END), SEEK_CUR) >= 0;
}

/* What goes before a record of an array. */
static const char *
begin_record (GstDefcnOutput *output)
{
  if (output->state == ARRAY_NONE
      || (output->state == ARRAY_ENDED && !reopen_array (output))) {
    output->written = 0;
    return "[\n";
  }
  return output->written ? ",\n" : "\n";
}

GstFlowReturn
gst_defcn_output_write (GstDefcnOutput *output, const char *record,
    GError **error)
{
  g_autofree char *text = NULL;

  if (output->flow != GST_FLOW_OK)
    return output->flow;
  text = output->array ? g_strconcat (begin_record (output), record, NULL)
                       : g_strconcat (record, "\n", NULL);
  output->flow = write_all (output, text, error);
  output->state = ARRAY_BEGUN;
  output->written++;
  return output->flow;
}

GstFlowReturn
gst_defcn_output_end (GstDefcnOutput *output, GError **error)
{
  if (!output->array || output->state == ARRAY_ENDED
      || output->flow != GST_FLOW_OK)
    return output->flow;
  output->flow = write_all (output,
      output->state == ARRAY_NONE ? "[" ARRAY_END : ARRAY_END, error);
  output->state = ARRAY_ENDED;
  return output->flow;
}

void
gst_defcn_output_cancel (GstDefcnOutput *output)
{
  gst_poll_set_flushing (output->poll, TRUE);
}

gboolean
gst_defcn_output_close (GstDefcnOutput *output, GError **error)
{
  gboolean good = TRUE;

  gst_poll_set_flushing (output->poll, FALSE);
  output->patience = 0;
  if (output->flow == GST_FLOW_OK)
    good = gst_defcn_output_end (output, error) != GST_FLOW_ERROR;
  /* Some file systems tell only now that there was no space. */
  if (output->ours && close (output->fd) < 0
      && output->flow != GST_FLOW_ERROR) {
    set_error (output, errno, error);
    good = FALSE;
  }
  output_free (output);
  return good;
}
