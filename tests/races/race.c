/* Threads that hand a number to each other, in the ways that the product does,
 * and in none: ThreadSanitizer has to be silent about the first and to speak of
 * the last.
 *
 *   race WAY     mutex, cond, rec, once, count, buffer, map, queue,
 *                bus; none */
#include <gst/gst.h>
#include <string.h>

static int number; /* what is handed over, without a lock of its own */
static GMutex lock;
static GRecMutex rec;
static GCond changed;
static gboolean ready;
static gsize once;
static GAsyncQueue *queue;
static GstBus *bus;
static GstBuffer *mapped;
static gint turn; /* relaxed: in time, but orders nothing */

static gboolean
is_turn (void)
{
  return __atomic_load_n (&turn, __ATOMIC_RELAXED);
}

static void
by_none (gboolean giver)
{
  if (giver) {
    number = 1;
    __atomic_store_n (&turn, 1, __ATOMIC_RELAXED);
  } else {
    while (!is_turn ())
      g_usleep (1000);
    number++;
  }
}

static void
by_mutex (gboolean giver)
{
  gboolean done = FALSE;

  while (!done) {
    g_mutex_lock (&lock);
    done = giver || ready;
    if (done)
      number++;
    ready |= giver;
    g_mutex_unlock (&lock);
  }
}

static void
by_cond (gboolean giver)
{
  g_mutex_lock (&lock);
  if (giver) {
    number++;
    ready = TRUE;
    g_cond_broadcast (&changed);
  }
  while (!ready)
    g_cond_wait (&changed, &lock);
  g_mutex_unlock (&lock);
  if (!giver)
    number++;
}

static void
by_rec (gboolean giver)
{
  g_rec_mutex_lock (&rec);
  number++;
  g_rec_mutex_unlock (&rec);
}

static void
by_once (gboolean giver)
{
  if (g_once_init_enter (&once)) {
    number = 7;
    g_once_init_leave (&once, 1);
  }
  g_assert_cmpint (number, ==, 7);
}

/* The last reference frees what the other thread has written to. */
static void
by_buffer (gboolean giver)
{
  static GstBuffer *buffer;

  if (giver) {
    buffer = gst_buffer_new_allocate (NULL, 64, NULL);
    gst_buffer_ref (buffer);
    g_async_queue_push (queue, buffer);
  } else {
    g_async_queue_pop (queue);
  }
  if (giver)
    GST_BUFFER_OFFSET (buffer) = 1;
  else
    GST_BUFFER_OFFSET_END (buffer) = 1;
  gst_buffer_unref (buffer);
}

/* The last reference reads what the other thread has written. */
static void
by_count (gboolean giver)
{
  static gatomicrefcount count = 2;
  static int sides[2];

  sides[giver] = 1;
  if (g_atomic_ref_count_dec (&count))
    number = sides[0] + sides[1];
}

/* What is done with memory while it is mapped. */
static void
by_map (gboolean giver)
{
  GstMapInfo map;

  while (!giver && !is_turn ())
    g_usleep (1000);
  gst_buffer_map (mapped, &map, GST_MAP_READWRITE);
  number++;
  map.data[0]++;
  gst_buffer_unmap (mapped, &map);
  if (giver)
    __atomic_store_n (&turn, 1, __ATOMIC_RELAXED);
}

static void
by_queue (gboolean giver)
{
  if (giver) {
    number = 1;
    g_async_queue_push (queue, &number);
  } else {
    *(int *) g_async_queue_pop (queue) = 2;
  }
}

static void
by_bus (gboolean giver)
{
  if (giver) {
    number = 1;
    gst_bus_post (bus, gst_message_new_eos (NULL));
  } else {
    gst_message_unref (
        gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_ANY));
    number++;
  }
}

static const struct
{
  const char *name;
  void (*way) (gboolean giver);
} ways[] = { { "none", by_none }, { "mutex", by_mutex }, { "cond", by_cond },
  { "rec", by_rec }, { "once", by_once }, { "count", by_count },
  { "buffer", by_buffer }, { "map", by_map }, { "queue", by_queue },
  { "bus", by_bus } };

static gpointer
taker (gpointer way)
{
  ((void (*) (gboolean)) way) (FALSE);
  return NULL;
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  queue = g_async_queue_new ();
  bus = gst_bus_new ();
  mapped = gst_buffer_new_allocate (NULL, 64, NULL);
  for (guint i = 0; argc == 2 && i < G_N_ELEMENTS (ways); i++) {
    GThread *thread;

    if (strcmp (argv[1], ways[i].name) != 0)
      continue;
    thread = g_thread_new ("taker", taker, (gpointer) ways[i].way);
    g_usleep (1000);
    ways[i].way (TRUE);
    g_thread_join (thread);
    return 0;
  }
  g_printerr ("race: no way\n");
  return 2;
}
