/* OpenMP that does not spin in a process full of other threads. */
#include "wait_policy.h"

#include "spin.h"

/* A team of two: this thread and the one that libgomp adds.  They wait here and
 * in libgomp's dock for the rest of the process. */
static gpointer
park (gpointer data)
{
  GMutex lock;
  GCond never;
  int members = 0;

#pragma omp parallel num_threads(2)
  {
#pragma omp atomic
    members++;
  }
  g_debug ("parked %d OpenMP threads", members);

  g_async_queue_push (data, "parked");
  g_mutex_init (&lock);
  g_cond_init (&never);
  g_mutex_lock (&lock);
  for (;;)
    g_cond_wait (&never, &lock);
  return NULL;
}

static gpointer
park_once (gpointer data)
{
  GAsyncQueue *parked;

  if (!defcn_spin_is_open ())
    return NULL;
  parked = g_async_queue_new ();
  g_thread_unref (g_thread_new ("defcn-calm", park, parked));
  g_async_queue_pop (parked);
  g_async_queue_unref (parked);
  return NULL;
}

void
defcn_onednn_wait_policy_calm (void)
{
  static GOnce once = G_ONCE_INIT;

  g_once (&once, park_once, NULL);
}
