/* The scheduler of emulated kernels and the part of CUDA's runtime that the
 * module uses. */
#include "emulate.hpp"

#include "../../core/cuda/module.h"
#include "fibre.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <vector>

#define STACK (64 << 10)

#ifdef __x86_64__
asm(".text\n"
    ".globl fibre_switch_stack\n"
    ".hidden fibre_switch_stack\n"
    ".type fibre_switch_stack, @function\n"
    "fibre_switch_stack:\n"
    "  push %rbp\n"
    "  push %rbx\n"
    "  push %r12\n"
    "  push %r13\n"
    "  push %r14\n"
    "  push %r15\n"
    "  mov %rsp, (%rdi)\n"
    "  mov %rsi, %rsp\n"
    "  pop %r15\n"
    "  pop %r14\n"
    "  pop %r13\n"
    "  pop %r12\n"
    "  pop %rbx\n"
    "  pop %rbp\n"
    "  ret\n"
    ".size fibre_switch_stack, . - fibre_switch_stack\n");
#endif

uint3 emulate_thread, emulate_block;
dim3 emulate_block_dim, emulate_grid_dim;

struct Fibre
{
  FibreContext context;
  std::vector<char> stack;
  uint3 index;
  bool done;
};

static FibreContext scheduler;
static std::deque<Fibre> fibres; /* which stay where they are */
static Fibre *running;           /* NULL: threads are plain calls */
static bool met_barrier, is_reversed;
static const std::function<void ()> *current;
static std::mutex device; /* one launch at a time, whoever calls */

[[noreturn]] static void
fail (const char *why)
{
  std::fprintf (stderr, "emulate: %s\n", why);
  std::abort ();
}

void
emulate_barrier ()
{
  met_barrier = true;
  if (!running)
    fail ("a barrier in a later block only");
  fibre_switch (&running->context, &scheduler);
}

/* One thread of a block after the other, for as long as the process lives. */
static void
fibre_main ()
{
  for (;;) {
    (*current) ();
    running->done = true;
    fibre_switch (&running->context, &scheduler);
  }
}

static uint3
index_of (unsigned i, dim3 dim)
{
  if (is_reversed)
    i = dim.x * dim.y * dim.z - 1 - i;
  return { i % dim.x, i / dim.x % dim.y, i / dim.x / dim.y };
}

static void
grow_fibres (unsigned n)
{
  const size_t old = fibres.size ();

  if (old >= n)
    return;
  fibres.resize (n);
  for (size_t i = old; i < n; i++) {
    Fibre *f = &fibres[i];

    f->stack.resize (STACK);
    fibre_init (&f->context, f->stack.data (), STACK, fibre_main);
  }
}

/* All threads to the next barrier, and so on until all have ended. */
static void
run_fibres (unsigned n)
{
  unsigned left = n;

  grow_fibres (n);
  for (unsigned i = 0; i < n; i++) {
    fibres[i].index = index_of (i, emulate_block_dim);
    fibres[i].done = false;
  }
  while (left > 0)
    for (unsigned i = 0; i < n; i++) {
      Fibre *f = &fibres[i];

      if (f->done)
        continue;
      running = f;
      emulate_thread = f->index;
      fibre_switch (&scheduler, &f->context);
      left -= f->done;
    }
  running = NULL;
}

void
emulate_run (dim3 grid, dim3 block, const std::function<void ()> &thread)
{
  const unsigned threads = block.x * block.y * block.z;
  const size_t blocks = (size_t) grid.x * grid.y * grid.z;
  const std::lock_guard<std::mutex> lock (device);

  if (threads == 0 || threads > 1024 || blocks == 0 || grid.y > 65535
      || grid.z > 65535 || grid.x > 2147483647u)
    fail ("a launch that no device takes");
  emulate_block_dim = block;
  emulate_grid_dim = grid;
  current = &thread;
  met_barrier = false;
  is_reversed = std::getenv ("DEFCN_EMULATE_REVERSE") != NULL;
  for (size_t b = 0; b < blocks; b++) {
    emulate_block = index_of (b, grid);
    if (b == 0 || met_barrier) {
      run_fibres (threads);
      continue;
    }
    for (unsigned i = 0; i < threads; i++) {
      emulate_thread = index_of (i, block);
      thread ();
    }
  }
}

static int counts[EMULATED_COUNTS];

void
emulate_count (int what)
{
  counts[what]++;
}

static void
count_bytes (cudaMemcpyKind kind, size_t bytes)
{
  if (kind == cudaMemcpyHostToDevice)
    counts[EMULATED_SENT] += bytes;
  else if (kind == cudaMemcpyDeviceToHost)
    counts[EMULATED_FETCHED] += bytes;
}

/* For tests. */
extern "C" __attribute__ ((visibility ("default"))) int
emulated_count (int what)
{
  return counts[what];
}

/* Copies to the host are there when the stream has been waited for. */
struct Arrival
{
  void *dst;
  std::vector<char> bytes;
};
static std::mutex arrivals_lock;
static std::map<cudaStream_t, std::vector<Arrival>> arrivals;

static void
send (cudaStream_t stream, void *dst, const void *src, size_t bytes)
{
  const char *at = (const char *) src;
  const std::lock_guard<std::mutex> guard (arrivals_lock);

  arrivals[stream].push_back ({ dst, { at, at + bytes } });
}

/* What queued copies read of pinned memory must not change before they have
 * read it, which is known when the stream has been waited for. */
struct Reading
{
  const void *src;
  std::vector<char> bytes;
};
static std::map<cudaStream_t, std::vector<Reading>> readings;

static void
check_readings (cudaStream_t stream)
{
  const std::lock_guard<std::mutex> guard (arrivals_lock);

  for (const auto &r : readings[stream])
    if (std::memcmp (r.src, r.bytes.data (), r.bytes.size ()) != 0)
      fail ("pinned memory has changed while a copy may read it");
  readings.erase (stream);
}

static void
note_reading (cudaStream_t stream, const void *src, size_t bytes)
{
  const char *at = (const char *) src;
  const std::lock_guard<std::mutex> guard (arrivals_lock);

  readings[stream].push_back ({ src, { at, at + bytes } });
}

/* What does not arrive leaves its place as bad as can be. */
static void
arrive (cudaStream_t stream, bool is_good)
{
  const std::lock_guard<std::mutex> guard (arrivals_lock);

  for (const auto &a : arrivals[stream])
    if (is_good)
      std::memcpy (a.dst, a.bytes.data (), a.bytes.size ());
    else
      std::memset (a.dst, 0xee, a.bytes.size ());
  arrivals.erase (stream);
}

static thread_local int current_device;

/* What a stream is: its device. */
struct CUstream_st
{
  int device;
};

int
emulate_stream_device (cudaStream_t stream)
{
  return stream ? stream->device : -1;
}

bool
emulate_can_launch (cudaStream_t stream)
{
  if (!stream || stream->device == current_device)
    return true;
  emulate_fail_launch ();
  return false;
}

static std::mutex pinned_lock;
static std::set<void *> pinned; /* where pinned memory begins */

static bool
is_pinned (const void *src)
{
  const std::lock_guard<std::mutex> guard (pinned_lock);
  auto next = pinned.upper_bound ((void *) src);

  return next != pinned.begin ()
      && (const char *) src
      < (const char *) *--next + CUDA_CHUNK * sizeof (float);
}

static std::mutex owners_lock;
static std::map<void *, int> owners; /* the devices of what was allocated */

extern "C" {

cudaError_t
cudaSetDevice (int device)
{
  if (device < 0 || device > 1)
    return cudaErrorInvalidDevice;
  current_device = device;
  return emulate_lost ();
}

cudaError_t
cudaMalloc (void **mem, size_t bytes)
{
  *mem = bytes > (size_t) 1 << 40 || emulate_out_of_memory ()
      ? NULL
      : std::aligned_alloc (256, (bytes + 255) / 256 * 256);
  if (!*mem)
    return cudaErrorMemoryAllocation;
  std::memset (*mem, 0xff, bytes);
  const std::lock_guard<std::mutex> guard (owners_lock);
  owners[*mem] = current_device;
  return cudaSuccess;
}

cudaError_t
cudaFree (void *mem)
{
  const std::lock_guard<std::mutex> guard (owners_lock);

  if (mem && owners.at (mem) != current_device)
    fail ("memory is freed on another device");
  owners.erase (mem);
  std::free (mem);
  return cudaSuccess;
}

cudaError_t
cudaMemGetInfo (size_t *available, size_t *total)
{
  *available = *total = (size_t) 64 << 30;
  return cudaSuccess;
}

cudaError_t
cudaGetDeviceProperties (struct cudaDeviceProp *properties, int)
{
  std::memset (properties, 0, sizeof *properties);
  std::strcpy (properties->name, "an emulated device");
  return cudaSuccess;
}

/* Of those that CUDA_VISIBLE_DEVICES names by their numbers. */
cudaError_t
cudaDeviceGetPCIBusId (char *name, int size, int device)
{
  const char *visible = std::getenv ("CUDA_VISIBLE_DEVICES");
  char *rest = const_cast<char *> (visible);
  long number = device;

  for (int i = 0; visible && *visible && i <= device; i++)
    number = std::strtol (rest + (i > 0), &rest, 10);
  std::snprintf (name, size, "0000:%02lX:00.0", number);
  return cudaSuccess;
}

cudaError_t
cudaMallocHost (void **mem, size_t bytes)
{
  const cudaError_t error = cudaMalloc (mem, bytes);
  const std::lock_guard<std::mutex> guard (pinned_lock);

  if (error == cudaSuccess)
    pinned.insert (*mem);
  return error;
}

cudaError_t
cudaFreeHost (void *mem)
{
  const std::lock_guard<std::mutex> guard (pinned_lock);

  pinned.erase (mem);
  return cudaFree (mem);
}

cudaError_t
cudaMemsetAsync (void *mem, int value, size_t bytes, cudaStream_t stream)
{
  emulate_submit (stream, [=] { std::memset (mem, value, bytes); });
  return cudaSuccess;
}

cudaError_t
cudaMemcpyAsync (void *dst, const void *src, size_t bytes, cudaMemcpyKind kind,
    cudaStream_t stream)
{
  count_bytes (kind, bytes);
  if (kind == cudaMemcpyHostToDevice && is_pinned (src))
    note_reading (stream, src, bytes);
  else if (kind == cudaMemcpyHostToDevice)
    emulate_count (EMULATED_COPIES);
  emulate_submit (stream, [=] {
    if (kind == cudaMemcpyDeviceToHost)
      send (stream, dst, src, bytes);
    else
      std::memcpy (dst, src, bytes);
  });
  return cudaSuccess;
}

cudaError_t
cudaStreamCreateWithFlags (cudaStream_t *stream, unsigned)
{
  *stream = new CUstream_st{ current_device };
  return cudaSuccess;
}

cudaError_t
cudaStreamDestroy (cudaStream_t stream)
{
  emulate_order_forget (stream);
  delete stream;
  return cudaSuccess;
}

cudaError_t
cudaStreamSynchronize (cudaStream_t stream)
{
  if (emulate_is_capturing ())
    fail ("waiting while a stream is captured");

  const cudaError_t error = emulate_wait ();

  emulate_count (EMULATED_WAITS);
  emulate_order_sync (stream);
  check_readings (stream);
  arrive (stream, error == cudaSuccess);
  return error;
}
}
