/* Which frames have gone into a chain of elements and come out of it. */
#include "ledger.h"

void
ledger_init (Ledger *ledger)
{
  *ledger = (Ledger){ 0 };
  g_mutex_init (&ledger->lock);
  g_cond_init (&ledger->ended);
  g_queue_init (&ledger->under_way);
}

void
ledger_clear (Ledger *ledger)
{
  g_queue_clear (&ledger->under_way);
  g_cond_clear (&ledger->ended);
  g_mutex_clear (&ledger->lock);
}

static GstPadProbeReturn
enter (Ledger *ledger, GstPadProbeInfo *info, gboolean stamp)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);

  g_mutex_lock (&ledger->lock);
  ledger->in++;
  ledger->stopped = FALSE;
  if (stamp) {
    info->data = buffer = gst_buffer_make_writable (buffer);
    GST_BUFFER_OFFSET (buffer) = ledger->in;
  }
  g_queue_push_tail (&ledger->under_way,
      GSIZE_TO_POINTER (GST_BUFFER_OFFSET (buffer)));
  g_mutex_unlock (&ledger->lock);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
enter_numbered (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  return enter (data, info, FALSE);
}

static GstPadProbeReturn
enter_unnumbered (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  return enter (data, info, TRUE);
}

/* Those before it are lost; one that is not under way has been overtaken. */
static GstPadProbeReturn
leave (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Ledger *ledger = data;
  const gpointer number =
      GSIZE_TO_POINTER (GST_BUFFER_OFFSET (GST_PAD_PROBE_INFO_BUFFER (info)));

  g_mutex_lock (&ledger->lock);
  ledger->out++;
  if (g_queue_find (&ledger->under_way, number)) {
    while (g_queue_pop_head (&ledger->under_way) != number)
      ledger->lost += !ledger->flushing;
  } else if (!ledger->flushing) {
    ledger->reordered++;
  }
  g_mutex_unlock (&ledger->lock);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
flush_begins (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Ledger *ledger = data;

  if (GST_EVENT_TYPE (info->data) == GST_EVENT_FLUSH_START) {
    g_mutex_lock (&ledger->lock);
    ledger->flushing = TRUE;
    g_mutex_unlock (&ledger->lock);
  }
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
ends (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Ledger *ledger = data;

  g_mutex_lock (&ledger->lock);
  if (GST_EVENT_TYPE (info->data) == GST_EVENT_FLUSH_STOP) {
    g_queue_clear (&ledger->under_way);
    ledger->flushing = ledger->eos = FALSE;
    ledger->left = 0;
  } else if (GST_EVENT_TYPE (info->data) == GST_EVENT_EOS) {
    ledger->left = ledger->flushing ? 0 : ledger->under_way.length;
    g_queue_clear (&ledger->under_way);
    ledger->eos = TRUE;
    g_cond_broadcast (&ledger->ended);
  }
  g_mutex_unlock (&ledger->lock);
  return GST_PAD_PROBE_OK;
}

void
ledger_watch (Ledger *ledger, GstPad *into, GstPad *from, gboolean stamp)
{
  const GstPadProbeType events =
      GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM | GST_PAD_PROBE_TYPE_EVENT_FLUSH;

  gst_pad_add_probe (into, GST_PAD_PROBE_TYPE_BUFFER,
      stamp ? enter_unnumbered : enter_numbered, ledger, NULL);
  gst_pad_add_probe (into, events, flush_begins, ledger, NULL);
  gst_pad_add_probe (from, GST_PAD_PROBE_TYPE_BUFFER, leave, ledger, NULL);
  gst_pad_add_probe (from, events, ends, ledger, NULL);
}

void
ledger_die (Ledger *ledger)
{
  g_mutex_lock (&ledger->lock);
  ledger->flushing = TRUE;
  g_mutex_unlock (&ledger->lock);
}

void
ledger_forget (Ledger *ledger)
{
  g_mutex_lock (&ledger->lock);
  g_queue_clear (&ledger->under_way);
  ledger->flushing = ledger->eos = FALSE;
  ledger->left = 0;
  ledger->stopped = TRUE;
  g_cond_broadcast (&ledger->ended);
  g_mutex_unlock (&ledger->lock);
}

gboolean
ledger_wait_eos (Ledger *ledger)
{
  const gint64 end = g_get_monotonic_time () + G_TIME_SPAN_SECOND;
  gboolean come = TRUE;

  g_mutex_lock (&ledger->lock);
  while (!ledger->eos && !ledger->flushing && !ledger->stopped && come)
    come = g_cond_wait_until (&ledger->ended, &ledger->lock, end);
  g_mutex_unlock (&ledger->lock);
  return come;
}

void
ledger_end (Ledger *ledger)
{
  g_mutex_lock (&ledger->lock);
  ledger->lost += ledger->left;
  ledger->left = 0;
  g_mutex_unlock (&ledger->lock);
}

guint64
ledger_lost (Ledger *ledger)
{
  guint64 lost;

  g_mutex_lock (&ledger->lock);
  lost = ledger->lost;
  g_mutex_unlock (&ledger->lock);
  return lost;
}
