/* Streams, events and recorded graphs of the emulated runtime.  What is not
 * captured runs as it is queued.  A recorded graph knows of each of its items
 * only what the streams and events say, and runs in one of two orders that
 * these allow, in turns: what relies on another shows. */
#include "emulate.hpp"

#include <map>

#include "emulated_event.hpp"

struct Item
{
  std::function<void ()> work;
  std::vector<int> after;
};

typedef std::vector<Item> Recorded;

/* The capture under way: the next item of a stream comes after those. */
struct Capture
{
  Recorded items;
  cudaStream_t origin;
  std::map<cudaStream_t, std::vector<int>> ends;
};

static thread_local Capture *capturing;
static float clock_ms;

bool
emulate_is_capturing ()
{
  return capturing != NULL;
}

void
emulate_spend (float ms)
{
  clock_ms += ms;
}

void
emulate_submit (cudaStream_t stream, const std::function<void ()> &work)
{
  if (!capturing || capturing->ends.count (stream) == 0) {
    emulate_order_work (stream);
    work ();
    return;
  }
  std::vector<int> &ends = capturing->ends[stream];
  const int number = capturing->items.size ();

  capturing->items.push_back ({ work, ends });
  ends = { number };
}

/* Whether all items come before the next one of the origin. */
static bool
is_joined (const Capture &c)
{
  std::vector<bool> before (c.items.size ());

  for (const int i : c.ends.at (c.origin))
    before[i] = true;
  for (int i = c.items.size () - 1; i >= 0; i--)
    for (const int k : c.items[i].after)
      before[k] = before[k] || before[i];
  for (const bool joined : before)
    if (!joined)
      return false;
  return true;
}

static bool
is_ready (const Item &item, const std::vector<bool> &done)
{
  for (const int i : item.after)
    if (!done[i])
      return false;
  return true;
}

/* All items: of those that may the one that was recorded last, which takes one
 * branch after the other from the back. */
static void
run_backwards (const Recorded &items)
{
  std::vector<bool> done (items.size ());

  for (size_t left = items.size (); left > 0; left--)
    for (size_t i = items.size (); i-- > 0;) {
      if (done[i] || !is_ready (items[i], done))
        continue;
      items[i].work ();
      done[i] = true;
      break;
    }
}

/* All items: those that may all at once, then what may after them, which takes
 * a step of every branch in turn. */
static void
run_abreast (const Recorded &items)
{
  std::vector<bool> done (items.size ());

  for (size_t left = items.size (); left > 0;) {
    const std::vector<bool> before = done;

    for (size_t i = 0; i < items.size (); i++) {
      if (done[i] || !is_ready (items[i], before))
        continue;
      items[i].work ();
      done[i] = true;
      left--;
    }
  }
}

extern "C" {

cudaError_t
cudaEventCreateWithFlags (cudaEvent_t *event, unsigned)
{
  *event = new CUevent_st{};
  return cudaSuccess;
}

cudaError_t
cudaEventCreate (cudaEvent_t *event)
{
  return cudaEventCreateWithFlags (event, 0);
}

cudaError_t
cudaEventRecord (cudaEvent_t event, cudaStream_t stream)
{
  event->ms = clock_ms;
  emulate_order_record (event, stream);
  event->capture = NULL;
  if (!capturing || capturing->ends.count (stream) == 0)
    return cudaSuccess;
  event->capture = capturing;
  event->items = capturing->ends[stream];
  return cudaSuccess;
}

cudaError_t
cudaStreamWaitEvent (cudaStream_t stream, cudaEvent_t event, unsigned)
{
  EmulatedStream *other = event->stream;

  if (other && other->work)
    other->work (other->data);
  if (other)
    other->work = NULL;
  emulate_order_wait (stream, event);
  if (capturing && event->capture == capturing) {
    std::vector<int> &ends = capturing->ends[stream];

    ends.insert (ends.end (), event->items.begin (), event->items.end ());
  }
  return cudaSuccess;
}

cudaError_t
cudaEventQuery (cudaEvent_t event)
{
  if (!emulate_order_is_done (event))
    return cudaErrorNotReady;
  return emulate_lost ();
}

cudaError_t
cudaEventSynchronize (cudaEvent_t)
{
  return emulate_lost ();
}

cudaError_t
cudaEventElapsedTime (float *ms, cudaEvent_t start, cudaEvent_t end)
{
  *ms = end->ms - start->ms;
  return cudaSuccess;
}

cudaError_t
cudaEventDestroy (cudaEvent_t event)
{
  delete event;
  return cudaSuccess;
}

cudaError_t
cudaStreamBeginCapture (cudaStream_t stream, cudaStreamCaptureMode)
{
  emulate_count (EMULATED_CAPTURES);
  if (emulate_fails ("capture"))
    return cudaErrorNotSupported;
  capturing = new Capture{ {}, stream, { { stream, {} } } };
  return cudaSuccess;
}

cudaError_t
cudaStreamEndCapture (cudaStream_t stream, cudaGraph_t *graph)
{
  const Capture *c = capturing;
  const bool is_good =
      !emulate_fails ("capture-end") && stream == c->origin && is_joined (*c);

  *graph = is_good ? (cudaGraph_t) new Recorded (c->items) : NULL;
  delete c;
  capturing = NULL;
  return is_good ? cudaSuccess : cudaErrorStreamCaptureInvalidated;
}

cudaError_t
cudaGraphInstantiate (cudaGraphExec_t *exec, cudaGraph_t graph,
    unsigned long long)
{
  if (emulate_fails ("instantiate"))
    return cudaErrorNotSupported;
  *exec = (cudaGraphExec_t) new Recorded (*(Recorded *) graph);
  return cudaSuccess;
}

cudaError_t
cudaGraphDestroy (cudaGraph_t graph)
{
  delete (Recorded *) graph;
  return cudaSuccess;
}

cudaError_t
cudaGraphLaunch (cudaGraphExec_t exec, cudaStream_t stream)
{
  static thread_local bool backwards;

  emulate_count (EMULATED_LAUNCHES);
  emulate_order_work (stream);
  backwards = !backwards;
  (backwards ? run_backwards : run_abreast) (*(const Recorded *) exec);
  return cudaSuccess;
}

cudaError_t
cudaGraphExecDestroy (cudaGraphExec_t exec)
{
  delete (Recorded *) exec;
  return cudaSuccess;
}
}
