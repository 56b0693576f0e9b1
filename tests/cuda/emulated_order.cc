/* What emulated streams know of each other, and work of others on them, which
 * the fake libnccl has.
 *
 * All work of ours is done as it is queued, so an event that is missing would
 * not show: for each stream it is kept how much of every other it has to wait
 * for, and others ask.  Their own work is done when somebody looks for it, if
 * it can be done then: who does not look reads what was there before. */
#include "emulate.hpp"

#include <deque>
#include <map>
#include <mutex>

#include "emulated_event.hpp"

struct Work
{
  int (*step) (void *data); /* whether it is done */
  void *data;
};

struct Progress
{
  std::map<cudaStream_t, long> seen; /* of each stream, itself too */
  std::deque<Work> later;
  long n_done; /* of those that were later */
};

static std::mutex lock;
static std::map<cudaStream_t, Progress> streams;
static std::map<cudaStream_t, long> waited; /* what the host has waited for */

static void
join (std::map<cudaStream_t, long> &into,
    const std::map<cudaStream_t, long> &from)
{
  for (const auto &s : from)
    into[s.first] = std::max (into[s.first], s.second);
}

/* Does what can be done; the lock is held. */
static void
step (Progress &p)
{
  while (!p.later.empty () && p.later.front ().step (p.later.front ().data)) {
    p.later.pop_front ();
    p.n_done++;
  }
}

void
emulate_order_work (cudaStream_t stream)
{
  const std::lock_guard<std::mutex> guard (lock);

  streams[stream].seen[stream]++;
}

void
emulate_order_record (cudaEvent_t event, cudaStream_t stream)
{
  const std::lock_guard<std::mutex> guard (lock);
  const Progress &p = streams[stream];

  event->seen = p.seen;
  event->recorded = stream;
  event->n_later = p.n_done + p.later.size ();
}

void
emulate_order_wait (cudaStream_t stream, cudaEvent_t event)
{
  const std::lock_guard<std::mutex> guard (lock);

  join (streams[stream].seen, event->seen);
}

void
emulate_order_sync (cudaStream_t stream)
{
  const std::lock_guard<std::mutex> guard (lock);
  Progress &p = streams[stream];

  step (p);
  join (waited, p.seen);
}

void
emulate_order_forget (cudaStream_t stream)
{
  const std::lock_guard<std::mutex> guard (lock);

  streams.erase (stream);
  waited.erase (stream);
  for (auto &s : streams)
    s.second.seen.erase (stream);
}

bool
emulate_order_is_done (cudaEvent_t event)
{
  const std::lock_guard<std::mutex> guard (lock);
  auto found = streams.find (event->recorded);

  if (found == streams.end ())
    return true;
  step (found->second);
  return found->second.n_done >= event->n_later;
}

extern "C" {

/* For tests: whether what is queued on @stream now comes after all that was
 * queued on every other stream of its device. */
__attribute__ ((visibility ("default"))) int
emulated_comes_last (void *stream)
{
  const std::lock_guard<std::mutex> guard (lock);
  std::map<cudaStream_t, long> &seen = streams[(cudaStream_t) stream].seen;

  for (const auto &s : streams) {
    const long all =
        s.second.seen.count (s.first) ? s.second.seen.at (s.first) : 0;

    if (emulate_stream_device (s.first)
            == emulate_stream_device ((cudaStream_t) stream)
        && seen[s.first] < all && waited[s.first] < all)
      return 0;
  }
  return 1;
}

/* For tests: queues @step (@data) on @stream, until it returns 1. */
__attribute__ ((visibility ("default"))) void
emulated_defer (void *stream, int (*step) (void *data), void *data)
{
  const std::lock_guard<std::mutex> guard (lock);
  Progress &p = streams[(cudaStream_t) stream];

  p.seen[(cudaStream_t) stream]++;
  p.later.push_back ({ step, data });
}

/* For tests: what is still to be done on @stream never is. */
__attribute__ ((visibility ("default"))) void
emulated_drop (void *stream)
{
  const std::lock_guard<std::mutex> guard (lock);
  Progress &p = streams[(cudaStream_t) stream];

  p.n_done += p.later.size ();
  p.later.clear ();
}
}
