/* What ThreadSanitizer has to be told of GLib and GStreamer where these are not
 * instrumented: GLib's locks are futexes of its own, counts of references are
 * changed in there, and queues hand things over.
 *
 * To be preloaded into a program that is built with -fsanitize=thread.  The
 * functions here take the place of GLib's and GStreamer's, call them, and say
 * what they order: what a thread did before a release has happened for whoever
 * acquires the same address after it.
 *
 * TSAN_OPTIONS has to say ignore_noninstrumented_modules=1. */
#include <dlfcn.h>

#include <gst/gst.h>

#undef g_once_init_enter
#undef g_once_init_leave

/* Of the sanitizer's runtime, which is in the program. */
extern void __tsan_acquire (void *address);
extern void __tsan_release (void *address);

/* The function that would have been called, found once. */
#define REAL(name)                                                             \
  static __typeof__ (name) *real;                                              \
  __typeof__ (name) *found = __atomic_load_n (&real, __ATOMIC_RELAXED);        \
  if (!found) {                                                                \
    found = (__typeof__ (name) *) dlsym (RTLD_NEXT, #name);                    \
    __atomic_store_n (&real, found, __ATOMIC_RELAXED);                         \
  }

/* Takes a lock; gives one back; tries to take one. */
#define TAKES(name, type)                                                      \
  void name (type *lock)                                                       \
  {                                                                            \
    REAL (name)                                                                \
    found (lock);                                                              \
    __tsan_acquire (lock);                                                     \
  }
#define GIVES(name, type)                                                      \
  void name (type *lock)                                                       \
  {                                                                            \
    REAL (name)                                                                \
    __tsan_release (lock);                                                     \
    found (lock);                                                              \
  }
#define TRIES(name, type)                                                      \
  gboolean name (type *lock)                                                   \
  {                                                                            \
    REAL (name)                                                                \
    const gboolean taken = found (lock);                                       \
                                                                               \
    if (taken)                                                                 \
      __tsan_acquire (lock);                                                   \
    return taken;                                                              \
  }

TAKES (g_mutex_lock, GMutex)
GIVES (g_mutex_unlock, GMutex)
TRIES (g_mutex_trylock, GMutex)
TAKES (g_rec_mutex_lock, GRecMutex)
GIVES (g_rec_mutex_unlock, GRecMutex)
TRIES (g_rec_mutex_trylock, GRecMutex)
TAKES (g_rw_lock_reader_lock, GRWLock)
GIVES (g_rw_lock_reader_unlock, GRWLock)
TRIES (g_rw_lock_reader_trylock, GRWLock)
TAKES (g_rw_lock_writer_lock, GRWLock)
GIVES (g_rw_lock_writer_unlock, GRWLock)
TRIES (g_rw_lock_writer_trylock, GRWLock)

/* Waiting gives the mutex back meanwhile. */
void
g_cond_wait (GCond *cond, GMutex *mutex)
{
  REAL (g_cond_wait)
  __tsan_release (mutex);
  found (cond, mutex);
  __tsan_acquire (mutex);
}

gboolean
g_cond_wait_until (GCond *cond, GMutex *mutex, gint64 end)
{
  gboolean woken;

  REAL (g_cond_wait_until)
  __tsan_release (mutex);
  woken = found (cond, mutex, end);
  __tsan_acquire (mutex);
  return woken;
}

/* What is initialised once is so for all who find it done. */
gboolean (g_once_init_enter) (volatile void *location)
{
  gboolean first;

  REAL (g_once_init_enter)
  first = found (location);
  if (!first)
    __tsan_acquire ((void *) location);
  return first;
}

void (g_once_init_leave) (volatile void *location, gsize result)
{
  REAL (g_once_init_leave)
  __tsan_release ((void *) location);
  found (location, result);
}

/* Who drops the last reference has all that others did with theirs behind him.
 */
#define DROPS(name, type)                                                      \
  void name (type object)                                                      \
  {                                                                            \
    REAL (name)                                                                \
    __tsan_release ((void *) object);                                          \
    __tsan_acquire ((void *) object);                                          \
    found (object);                                                            \
  }

DROPS (gst_mini_object_unref, GstMiniObject *)
DROPS (gst_object_unref, gpointer)
DROPS (g_object_unref, gpointer)
DROPS (g_array_unref, GArray *)
DROPS (g_ptr_array_unref, GPtrArray *)
DROPS (g_hash_table_unref, GHashTable *)

void
g_atomic_rc_box_release_full (gpointer block, GDestroyNotify clear)
{
  REAL (g_atomic_rc_box_release_full)
  __tsan_release (block);
  __tsan_acquire (block);
  found (block, clear);
}

/* Memory that is mapped to be written to is nobody else's any more: what was
 * done with it while it was mapped elsewhere is over. */
gboolean
gst_buffer_map (GstBuffer *buffer, GstMapInfo *info, GstMapFlags flags)
{
  gboolean good;

  REAL (gst_buffer_map)
  good = found (buffer, info, flags);
  if (good)
    __tsan_acquire (info->memory);
  return good;
}

gboolean
gst_buffer_map_range (GstBuffer *buffer, guint at, gint n, GstMapInfo *info,
    GstMapFlags flags)
{
  gboolean good;

  REAL (gst_buffer_map_range)
  good = found (buffer, at, n, info, flags);
  if (good)
    __tsan_acquire (info->memory);
  return good;
}

void
gst_buffer_unmap (GstBuffer *buffer, GstMapInfo *info)
{
  REAL (gst_buffer_unmap)
  __tsan_release (info->memory);
  found (buffer, info);
}

gboolean
g_atomic_ref_count_dec (gatomicrefcount *count)
{
  gboolean last;

  REAL (g_atomic_ref_count_dec)
  __tsan_release ((void *) count);
  last = found (count);
  if (last)
    __tsan_acquire ((void *) count);
  return last;
}

/* Queues.  What comes out of one went in before. */
#define PUTS(name)                                                             \
  void name (GAsyncQueue *queue, gpointer data)                                \
  {                                                                            \
    REAL (name)                                                                \
    __tsan_release (queue);                                                    \
    found (queue, data);                                                       \
  }
#define GETS(name)                                                             \
  gpointer name (GAsyncQueue *queue)                                           \
  {                                                                            \
    gpointer data;                                                             \
                                                                               \
    REAL (name)                                                                \
    data = found (queue);                                                      \
    __tsan_acquire (queue);                                                    \
    return data;                                                               \
  }

PUTS (g_async_queue_push)
GETS (g_async_queue_pop)
GETS (g_async_queue_try_pop)

gboolean
gst_bus_post (GstBus *bus, GstMessage *message)
{
  REAL (gst_bus_post)
  __tsan_release (bus);
  return found (bus, message);
}

GstMessage *
gst_bus_timed_pop_filtered (GstBus *bus, GstClockTime timeout,
    GstMessageType types)
{
  GstMessage *message;

  REAL (gst_bus_timed_pop_filtered)
  message = found (bus, timeout, types);
  if (message)
    __tsan_acquire (bus);
  return message;
}

GstMessage *
gst_bus_pop (GstBus *bus)
{
  GstMessage *message;

  REAL (gst_bus_pop)
  message = found (bus);
  if (message)
    __tsan_acquire (bus);
  return message;
}
