/* Records on their way to a broker. */
#include "outbox.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* How long a client may take to say goodbye, in us. */
#define FAREWELL (200 * G_TIME_SPAN_MILLISECOND)
/* How long the end of the process waits for clients that hang, in us. */
#define EXIT_TIME (2 * G_TIME_SPAN_SECOND)

struct _GstDefcnOutbox
{
  gint refs; /* atomic: of whoever pushes, and of the thread */
  const GstDefcnBroker *broker;
  gpointer client;
  GWeakRef element;
  GThread *thread;
  int fd;

  GMutex lock;
  GCond changed;
  guint max_records;
  guint64 max_bytes, bytes;
  /* In the order of pushing: all of @taken, all of @again, all of @waiting. */
  GQueue taken, again, waiting;
  guint64 accepted, sent, dropped, reconnects;
  gboolean up, outage, refusing, overflow;
  guint64 dropped_before; /* the outage */
  gboolean closing, over, finished, left;
  gint64 deadline; /* monotonic, us, when closing */
};

/* Threads that hung when their outboxes were closed. */
static GMutex left_lock;
static GCond left_changed;
static guint n_left;

/* Called as the process ends, before OpenSSL takes itself down under their
 * feet: what is registered later is called earlier. */
static void
wait_for_left (void)
{
  const gint64 end = g_get_monotonic_time () + EXIT_TIME;

  g_mutex_lock (&left_lock);
  while (n_left && g_cond_wait_until (&left_changed, &left_lock, end))
    continue;
  g_mutex_unlock (&left_lock);
}

static void
count_left (int change)
{
  g_mutex_lock (&left_lock);
  n_left += change;
  g_cond_broadcast (&left_changed);
  if (change > 0)
    atexit (wait_for_left);
  g_mutex_unlock (&left_lock);
}

static void
free_item (GstDefcnOutboxItem *item)
{
  g_ref_string_release (item->topic);
  if (item->key)
    g_ref_string_release (item->key);
  g_free (item->text);
  g_free (item);
}

static void
free_items (GQueue *queue)
{
  GList *link;

  while ((link = g_queue_pop_head_link (queue)))
    free_item (link->data);
}

static void
unref (GstDefcnOutbox *outbox)
{
  if (!g_atomic_int_dec_and_test (&outbox->refs))
    return;
  free_items (&outbox->taken);
  free_items (&outbox->again);
  free_items (&outbox->waiting);
  g_weak_ref_clear (&outbox->element);
  g_mutex_clear (&outbox->lock);
  g_cond_clear (&outbox->changed);
  if (outbox->fd >= 0)
    close (outbox->fd);
  g_free (outbox);
}

static void
wake (GstDefcnOutbox *outbox)
{
  const guint64 one = 1;

  if (write (outbox->fd, &one, sizeof one) < 0 && errno != EAGAIN)
    GST_WARNING ("eventfd: %s", g_strerror (errno));
}

/* Takes @text; without the lock. */
static void
post (GstDefcnOutbox *outbox, GstMessageType type, int code, char *text)
{
  GstElement *element = g_weak_ref_get (&outbox->element);

  if (!element) {
    g_free (text);
    return;
  }
  gst_element_message_full (element, type, GST_RESOURCE_ERROR, code, text, NULL,
      __FILE__, GST_FUNCTION, __LINE__);
  gst_object_unref (element);
}

static gpointer
run (gpointer data)
{
  GstDefcnOutbox *outbox = data;
  sigset_t broken;

  /* The reader that has gone is no reason to end the process. */
  sigemptyset (&broken);
  sigaddset (&broken, SIGPIPE);
  pthread_sigmask (SIG_BLOCK, &broken, NULL);

  outbox->broker->run (outbox->client, outbox);
  outbox->broker->free (outbox->client);
  g_mutex_lock (&outbox->lock);
  outbox->finished = TRUE;
  outbox->up = FALSE;
  const gboolean left = outbox->left;
  g_cond_broadcast (&outbox->changed);
  g_mutex_unlock (&outbox->lock);
  if (left)
    count_left (-1);
  unref (outbox);
  return NULL;
}

GstDefcnOutbox *
gst_defcn_outbox_new (GstElement *element, const GstDefcnBroker *broker,
    gpointer client, guint max_records, guint64 max_bytes)
{
  GstDefcnOutbox *outbox = g_new0 (GstDefcnOutbox, 1);

  outbox->refs = 2;
  outbox->broker = broker;
  outbox->client = client;
  outbox->fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  outbox->max_records = max_records;
  outbox->max_bytes = max_bytes;
  g_weak_ref_init (&outbox->element, element);
  g_mutex_init (&outbox->lock);
  g_cond_init (&outbox->changed);
  outbox->thread = g_thread_new (broker->name, run, outbox);
  return outbox;
}

/* The queue. */

/* With the lock held. */
static guint64
count_queued (const GstDefcnOutbox *outbox)
{
  return outbox->taken.length + outbox->again.length + outbox->waiting.length;
}

/* With the lock held; the oldest that wait, until the rest fits. */
static void
drop_oldest (GstDefcnOutbox *outbox)
{
  while (outbox->waiting.length > outbox->max_records
      || outbox->bytes > outbox->max_bytes) {
    GList *link = g_queue_pop_head_link (&outbox->waiting);
    GstDefcnOutboxItem *item = link->data;

    outbox->bytes -= item->size;
    outbox->dropped++;
    free_item (item);
  }
}

/* With the lock held: whether it is time to say that the broker, which is
 * there, is slower than the records. */
static gboolean
overflows_first (GstDefcnOutbox *outbox, guint64 dropped)
{
  const gboolean first =
      outbox->dropped > dropped && outbox->up && !outbox->overflow;

  outbox->overflow |= first;
  return first;
}

void
gst_defcn_outbox_push (GstDefcnOutbox *outbox, GRefString *topic,
    GRefString *key, char *text)
{
  GstDefcnOutboxItem *item = g_new0 (GstDefcnOutboxItem, 1);
  gboolean overflow;

  item->link.data = item;
  item->topic = g_ref_string_acquire (topic);
  item->key = key ? g_ref_string_acquire (key) : NULL;
  item->text = text;
  item->size = strlen (text);

  g_mutex_lock (&outbox->lock);
  const guint64 dropped = outbox->dropped;
  const gboolean fits = item->size <= outbox->max_bytes;
  outbox->accepted++;
  outbox->dropped += !fits;
  if (fits) {
    g_queue_push_tail_link (&outbox->waiting, &item->link);
    outbox->bytes += item->size;
    drop_oldest (outbox);
  }
  overflow = overflows_first (outbox, dropped);
  g_mutex_unlock (&outbox->lock);

  if (!fits)
    free_item (item);
  wake (outbox);
  if (overflow)
    post (outbox, GST_MESSAGE_WARNING, GST_RESOURCE_ERROR_WRITE,
        g_strdup_printf ("Records are dropped, the oldest first: the %s broker "
                         "takes them more slowly than they come",
            outbox->broker->name));
}

void
gst_defcn_outbox_set_limits (GstDefcnOutbox *outbox, guint max_records,
    guint64 max_bytes)
{
  g_mutex_lock (&outbox->lock);
  outbox->max_records = max_records;
  outbox->max_bytes = max_bytes;
  drop_oldest (outbox);
  g_mutex_unlock (&outbox->lock);
}

/* With the lock held. */
static GstStructure *
make_stats (const GstDefcnOutbox *outbox)
{
  return gst_structure_new ("defcn-publish-stats", "accepted", G_TYPE_UINT64,
      outbox->accepted, "sent", G_TYPE_UINT64, outbox->sent, "dropped",
      G_TYPE_UINT64, outbox->dropped, "queued", G_TYPE_UINT64,
      count_queued (outbox), "reconnects", G_TYPE_UINT64, outbox->reconnects,
      "connected", G_TYPE_BOOLEAN, outbox->up, NULL);
}

GstStructure *
gst_defcn_outbox_stats (GstDefcnOutbox *outbox)
{
  static const GstDefcnOutbox none = { 0 };
  GstStructure *stats;

  if (!outbox)
    return make_stats (&none);
  g_mutex_lock (&outbox->lock);
  stats = make_stats (outbox);
  g_mutex_unlock (&outbox->lock);
  return stats;
}

/* With the lock held: nothing of it is anybody's any more, but for the client's
 * thread, which may still look at what it has taken. */
static guint64
give_up (GstDefcnOutbox *outbox)
{
  const guint64 lost = count_queued (outbox);

  outbox->over = TRUE;
  outbox->dropped += lost;
  free_items (&outbox->waiting);
  return lost;
}

GstStructure *
gst_defcn_outbox_close (GstDefcnOutbox *outbox, guint timeout)
{
  GstStructure *stats;
  guint64 lost;

  g_mutex_lock (&outbox->lock);
  outbox->closing = TRUE;
  outbox->deadline =
      g_get_monotonic_time () + timeout * G_TIME_SPAN_MILLISECOND;
  wake (outbox);
  while (count_queued (outbox) && !outbox->finished
      && g_cond_wait_until (&outbox->changed, &outbox->lock, outbox->deadline))
    continue;
  lost = give_up (outbox);
  wake (outbox);
  const gint64 end = g_get_monotonic_time () + FAREWELL;
  while (!outbox->finished
      && g_cond_wait_until (&outbox->changed, &outbox->lock, end))
    continue;
  const gboolean finished = outbox->finished;
  outbox->left = !finished;
  if (!finished)
    count_left (1);
  stats = make_stats (outbox);
  gst_structure_set (stats, "queued", G_TYPE_UINT64, (guint64) 0, "connected",
      G_TYPE_BOOLEAN, FALSE, NULL);
  g_mutex_unlock (&outbox->lock);

  if (lost)
    post (outbox, GST_MESSAGE_WARNING, GST_RESOURCE_ERROR_WRITE,
        g_strdup_printf ("%" G_GUINT64_FORMAT " records were not sent: the %s "
                         "broker did not take them in %u ms (drain-timeout)",
            lost, outbox->broker->name, timeout));
  if (finished)
    g_thread_join (outbox->thread);
  else
    g_thread_unref (outbox->thread);
  unref (outbox);
  return stats;
}

/* The client's side. */

gboolean
gst_defcn_outbox_is_over (GstDefcnOutbox *outbox)
{
  gboolean over;

  g_mutex_lock (&outbox->lock);
  over = outbox->over || (outbox->closing && count_queued (outbox) == 0);
  g_mutex_unlock (&outbox->lock);
  return over;
}

GstDefcnOutboxItem *
gst_defcn_outbox_take (GstDefcnOutbox *outbox)
{
  GstDefcnOutboxItem *item = NULL;
  GList *link = NULL;

  g_mutex_lock (&outbox->lock);
  if (!outbox->over && outbox->taken.length < outbox->broker->window) {
    const gboolean anew = outbox->again.length == 0;

    link = g_queue_pop_head_link (anew ? &outbox->waiting : &outbox->again);
    item = link ? link->data : NULL;
    outbox->bytes -= item && anew ? item->size : 0;
  }
  if (link)
    g_queue_push_tail_link (&outbox->taken, link);
  g_mutex_unlock (&outbox->lock);
  return item;
}

/* With the lock held; FALSE where it has been given up. */
static gboolean
settle (GstDefcnOutbox *outbox, GstDefcnOutboxItem *item)
{
  if (outbox->over)
    return FALSE;
  g_queue_unlink (&outbox->taken, &item->link);
  free_item (item);
  if (outbox->waiting.length == 0)
    outbox->overflow = FALSE;
  if (count_queued (outbox) == 0)
    g_cond_broadcast (&outbox->changed);
  return TRUE;
}

void
gst_defcn_outbox_sent (GstDefcnOutbox *outbox, GstDefcnOutboxItem *item)
{
  g_mutex_lock (&outbox->lock);
  if (settle (outbox, item)) {
    outbox->sent++;
    outbox->refusing = FALSE;
  }
  g_mutex_unlock (&outbox->lock);
}

void
gst_defcn_outbox_refused (GstDefcnOutbox *outbox, GstDefcnOutboxItem *item,
    const char *why)
{
  g_autofree char *topic = g_strdup (item->topic);
  gboolean first = FALSE;

  g_mutex_lock (&outbox->lock);
  if (settle (outbox, item)) {
    outbox->dropped++;
    first = !outbox->refusing;
    outbox->refusing = TRUE;
  }
  g_mutex_unlock (&outbox->lock);
  if (first)
    post (outbox, GST_MESSAGE_WARNING, GST_RESOURCE_ERROR_WRITE,
        g_strdup_printf ("Records to the topic \"%s\" of the %s broker are "
                         "refused, and dropped: %s",
            topic, outbox->broker->name, why));
}

void
gst_defcn_outbox_retake (GstDefcnOutbox *outbox)
{
  GList *link;

  g_mutex_lock (&outbox->lock);
  while ((link = g_queue_pop_tail_link (&outbox->taken)))
    g_queue_push_head_link (&outbox->again, link);
  g_mutex_unlock (&outbox->lock);
}

short
gst_defcn_outbox_poll (GstDefcnOutbox *outbox, int fd, short events,
    int timeout)
{
  struct pollfd fds[] = { { outbox->fd, POLLIN, 0 }, { fd, events, 0 } };
  guint64 count;

  g_mutex_lock (&outbox->lock);
  if (outbox->closing)
    timeout = (int) CLAMP ((outbox->deadline - g_get_monotonic_time ())
            / G_TIME_SPAN_MILLISECOND,
        0, timeout);
  g_mutex_unlock (&outbox->lock);
  if (poll (fds, fd < 0 ? 1 : 2, timeout) <= 0)
    return 0;
  if (fds[0].revents && read (outbox->fd, &count, sizeof count) < 0)
    GST_LOG ("eventfd: %s", g_strerror (errno));
  return fds[1].revents;
}

int
gst_defcn_outbox_fd (GstDefcnOutbox *outbox)
{
  return outbox->fd;
}

void
gst_defcn_outbox_set_up (GstDefcnOutbox *outbox)
{
  gboolean back;

  g_mutex_lock (&outbox->lock);
  back = outbox->outage && !outbox->over;
  outbox->up = !outbox->over;
  outbox->outage = FALSE;
  outbox->reconnects += back;
  const guint64 lost = outbox->dropped - outbox->dropped_before;
  const guint64 queued = count_queued (outbox);
  g_mutex_unlock (&outbox->lock);
  if (back)
    post (outbox, GST_MESSAGE_INFO, GST_RESOURCE_ERROR_OPEN_WRITE,
        g_strdup_printf ("The %s broker is there: %" G_GUINT64_FORMAT
                         " records wait, %" G_GUINT64_FORMAT
                         " were dropped meanwhile",
            outbox->broker->name, queued, lost));
}

void
gst_defcn_outbox_set_down (GstDefcnOutbox *outbox, const GError *why)
{
  gboolean first;

  GST_INFO ("%s broker: %s", outbox->broker->name, why->message);
  g_mutex_lock (&outbox->lock);
  first = !outbox->outage && !outbox->over;
  outbox->up = FALSE;
  outbox->outage |= first;
  if (first)
    outbox->dropped_before = outbox->dropped;
  g_mutex_unlock (&outbox->lock);
  if (first)
    post (outbox, GST_MESSAGE_WARNING, why->code,
        g_utf8_make_valid (why->message, -1));
}
