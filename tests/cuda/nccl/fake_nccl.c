/* libnccl.so.2 for tests: processes and threads of one machine sum memory of
 * the emulated device (tests/cuda/emulate.hpp), by files in a folder that the
 * unique id names.  It takes nothing that NCCL would not: calls in another
 * order, while it is busy, on another rank with other sizes, or on a stream
 * that does not come after what computes the numbers, end the process.  What
 * aborts leaves its folder, of the system's temporary ones.
 *
 * FAKE_NCCL_LOG       file to which each call adds a line, "RANK CALL ..."
 * FAKE_NCCL_VERSION   what ncclGetVersion() tells (22809)
 * FAKE_NCCL_FAIL      WHAT:RANK:N, what goes wrong on that rank at its Nth sum,
 *                     from 1:
 *   id, init            the call fails (N is not read)
 *   late-init           it is told of later
 *   async               an error is told of later, of its own; the others have
 *                       a remote one once it has aborted
 *   launch              ncclGroupEnd() fails
 *   die                 SIGKILL
 *   stuck               it never has the others' numbers
 *   cut                 a remote error on that rank alone
 * FAKE_NCCL_ABORT     if set, ncclCommAbort() never returns */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <gmodule.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__ ((visibility ("default")))
#define MAX_RANKS 8
#define MAX_ARRAYS 256
#define POLLS 2 /* after which what was begun is done */

typedef enum
{
  SUCCESS,
  CUDA_ERROR,
  SYSTEM_ERROR,
  INTERNAL_ERROR,
  INVALID_ARGUMENT,
  INVALID_USAGE,
  REMOTE_ERROR,
  IN_PROGRESS
} Result;

typedef struct
{
  char text[128];
} Id;

/* What the processes share. */
typedef struct
{
  int joined[MAX_RANKS], finalized[MAX_RANKS], aborted;
  int has_read[MAX_RANKS]; /* sums */
} Shared;

typedef struct
{
  char folder[128];
  Shared *shared;
  int rank, size;
  int polls; /* until what was begun is done */
  int n_sums;
  Result error; /* told of by the next question */
  gboolean finalizing;
  gpointer stream;
  GPtrArray *sums; /* of Sum */
} Comm;

/* A sum that is on its way. */
typedef struct
{
  Comm *comm;
  int number;
  guint n;
  float *arrays[MAX_ARRAYS];
  gsize lens[MAX_ARRAYS];
} Sum;

static __thread Sum *grouped; /* between GroupStart and GroupEnd */
static __thread gboolean in_group;

static void G_GNUC_NORETURN
fail (const char *why)
{
  fprintf (stderr, "fake nccl: %s\n", why);
  abort ();
}

static void
note (int rank, const char *format, ...)
{
  const char *path = g_getenv ("FAKE_NCCL_LOG");
  va_list args;

  if (!path)
    return;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_autofree char *line = g_strdup_printf ("%d %s\n", rank, text);
  const int fd = open (path, O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (fd < 0 || write (fd, line, strlen (line)) < 0)
    fail ("no log");
  close (fd);
}

/* Whether @what is to go wrong on @rank, at its sum @n where n > 0. */
static gboolean
goes_wrong (const char *what, int rank, int n)
{
  const char *text = g_getenv ("FAKE_NCCL_FAIL");

  if (!text)
    return FALSE;
  g_auto (GStrv) parts = g_strsplit (text, ":", 3);
  return g_str_equal (parts[0], what) && atoi (parts[1]) == rank
      && (n == 0 || (parts[2] && atoi (parts[2]) == n));
}

/* A function of the emulated module. */
static gpointer
emulated (const char *name)
{
  g_autofree char *path =
      g_build_filename (g_getenv ("DEFCN_MODULES"), "libdefcn-cuda.so", NULL);
  GModule *module = g_module_open (path, G_MODULE_BIND_LOCAL);
  gpointer symbol;

  if (!module || !g_module_symbol (module, name, &symbol))
    fail ("the CUDA module is not the emulated one");
  g_module_make_resident (module);
  return symbol;
}

EXPORT Result
ncclGetVersion (int *version)
{
  const char *text = g_getenv ("FAKE_NCCL_VERSION");

  *version = text ? atoi (text) : 22809;
  return SUCCESS;
}

EXPORT const char *
ncclGetErrorString (Result result)
{
  static const char *const texts[] = { "no error", "unhandled cuda error",
    "unhandled system error", "internal error", "invalid argument",
    "invalid usage", "remote process exited or there was a network error",
    "in progress" };

  return result < G_N_ELEMENTS (texts) ? texts[result] : "unknown result code";
}

EXPORT const char *
ncclGetLastError (Comm *comm)
{
  return "the fake one said so";
}

EXPORT Result
ncclGetUniqueId (Id *id)
{
  const char *tmp = g_getenv ("TMPDIR");
  g_autofree char *folder =
      g_build_filename (tmp ? tmp : "/tmp", "fake-nccl-XXXXXX", NULL);

  if (goes_wrong ("id", 0, 0))
    return SYSTEM_ERROR;
  if (!g_mkdtemp (folder) || strlen (folder) >= sizeof id->text)
    fail ("no folder");
  memset (id, 0, sizeof *id);
  g_strlcpy (id->text, folder, sizeof id->text);
  note (0, "id");
  return SUCCESS;
}

static Shared *
share (const char *folder)
{
  g_autofree char *path = g_build_filename (folder, "shared", NULL);
  const int fd = open (path, O_RDWR | O_CREAT, 0600);

  if (fd < 0 || ftruncate (fd, sizeof (Shared)) != 0)
    fail ("nothing to share");
  Shared *shared =
      mmap (NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close (fd);
  if (shared == MAP_FAILED)
    fail ("nothing to share");
  return shared;
}

typedef struct
{
  gsize size;
  unsigned magic, version;
  int blocking;
} Config;

EXPORT Result
ncclCommInitRankConfig (Comm **comm, int size, Id id, int rank, Config *config)
{
  if (config->size < sizeof *config || config->magic != 0xcafebeef
      || config->version < 21400 || config->blocking != 0)
    fail ("the configuration is not that of 2.14");
  if (size < 1 || size > MAX_RANKS || rank < 0 || rank >= size)
    return INVALID_ARGUMENT;
  note (rank, "init %d", size);
  if (goes_wrong ("init", rank, 0))
    return SYSTEM_ERROR;
  Comm *c = g_new0 (Comm, 1);
  g_strlcpy (c->folder, id.text, sizeof c->folder);
  c->shared = share (c->folder);
  c->rank = rank;
  c->size = size;
  c->polls = POLLS;
  c->sums = g_ptr_array_new_with_free_func (g_free);
  if (goes_wrong ("late-init", rank, 0))
    c->error = INTERNAL_ERROR;
  else
    g_atomic_int_set (&c->shared->joined[rank], 1);
  *comm = c;
  return IN_PROGRESS;
}

static gboolean
all (const int *flags, int n)
{
  for (int i = 0; i < n; i++)
    if (!g_atomic_int_get (&flags[i]))
      return FALSE;
  return TRUE;
}

EXPORT Result
ncclCommGetAsyncError (Comm *c, Result *error)
{
  *error = SUCCESS;
  if (c->polls > 0)
    c->polls--;
  if (c->error != SUCCESS && c->polls == 0)
    *error = c->error;
  else if (g_atomic_int_get (&c->shared->aborted))
    *error = REMOTE_ERROR;
  else if (c->polls > 0 || !all (c->shared->joined, c->size)
      || (c->finalizing && !all (c->shared->finalized, c->size)))
    *error = IN_PROGRESS;
  return SUCCESS;
}

/* Nothing may begin before the last thing is done. */
static void
check_idle (const Comm *c)
{
  if (c->polls > 0 || c->error != SUCCESS || c->finalizing)
    fail ("a call while the communicator is busy");
}

EXPORT Result
ncclGroupStart (void)
{
  if (in_group)
    fail ("a group in a group");
  in_group = TRUE;
  return SUCCESS;
}

EXPORT Result
ncclAllReduce (const void *in, void *out, gsize n, int type, int op, Comm *c,
    gpointer stream)
{
  int (*comes_last) (gpointer stream) =
      (int (*) (gpointer)) emulated ("emulated_comes_last");

  if (!in_group || in != out || type != 7 || op != 0 || !stream)
    fail ("a sum that is not in place, of floats, in a group, on a stream");
  check_idle (c);
  if (c->stream && c->stream != stream)
    fail ("another stream than before");
  if (!comes_last (stream))
    fail ("the stream does not wait for what computes the numbers");
  c->stream = stream;
  if (!grouped) {
    grouped = g_new0 (Sum, 1);
    grouped->comm = c;
    grouped->number = ++c->n_sums;
    g_ptr_array_add (c->sums, grouped);
  }
  if (grouped->comm != c || grouped->n == MAX_ARRAYS)
    fail ("a group that is too much");
  grouped->arrays[grouped->n] = out;
  grouped->lens[grouped->n++] = n;
  return SUCCESS;
}

static char *
file_of (const Comm *c, int rank, int number)
{
  return g_strdup_printf ("%s/%d.%d", c->folder, rank, number);
}

/* This rank's numbers: how many, their sizes, they themselves. */
static void
post (const Sum *s)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autofree char *path = file_of (s->comm, s->comm->rank, s->number);

  g_byte_array_append (bytes, (const guint8 *) &s->n, sizeof s->n);
  g_byte_array_append (bytes, (const guint8 *) s->lens,
      s->n * sizeof s->lens[0]);
  for (guint i = 0; i < s->n; i++)
    g_byte_array_append (bytes, (const guint8 *) s->arrays[i],
        s->lens[i] * sizeof (float));
  if (!g_file_set_contents (path, (const char *) bytes->data, bytes->len, NULL))
    fail ("nothing can be posted");
}

static void
add (const Sum *s, const char *text, gboolean first)
{
  const gsize head = sizeof s->n + s->n * sizeof s->lens[0];

  if (memcmp (text, &s->n, sizeof s->n) != 0
      || memcmp (text + sizeof s->n, s->lens, s->n * sizeof s->lens[0]) != 0)
    fail ("another rank sums something else");
  text += head;
  for (guint i = 0; i < s->n; i++)
    for (gsize k = 0; k < s->lens[i]; k++) {
      float value;

      memcpy (&value, text, sizeof value);
      text += sizeof value;
      s->arrays[i][k] = first ? value : s->arrays[i][k] + value;
    }
}

/* Deletes what everybody has read. */
static void
tidy (const Comm *c, int number)
{
  int least = number;

  for (int i = 0; i < c->size; i++)
    least = MIN (least, g_atomic_int_get (&c->shared->has_read[i]));
  for (int i = least; i > 0; i--) {
    g_autofree char *path = file_of (c, c->rank, i);

    if (g_unlink (path) != 0)
      break;
  }
}

/* The sum, once all have posted; the same order on all. */
static int
try_sum (void *data)
{
  Sum *s = data;
  const Comm *c = s->comm;

  if (goes_wrong ("stuck", c->rank, s->number))
    return 0;
  for (int i = 0; i < c->size; i++) {
    g_autofree char *path = file_of (c, i, s->number);

    if (g_access (path, R_OK) != 0)
      return 0;
  }
  for (int i = 0; i < c->size; i++) {
    g_autofree char *path = file_of (c, i, s->number);
    g_autofree char *text = NULL;

    if (!g_file_get_contents (path, &text, NULL, NULL))
      fail ("what was posted is gone");
    add (s, text, i == 0);
  }
  g_atomic_int_set (&c->shared->has_read[c->rank], s->number);
  tidy (c, s->number);
  note (c->rank, "summed %d", s->number);
  return 1;
}

EXPORT Result
ncclGroupEnd (void)
{
  void (*defer) (gpointer stream, int (*step) (void *data), void *data) =
      (void (*) (gpointer, int (*) (void *), void *)) emulated (
          "emulated_defer");
  Sum *s = g_steal_pointer (&grouped);
  gsize len = 0;

  if (!in_group || !s)
    fail ("an end of no group");
  in_group = FALSE;
  Comm *c = s->comm;
  for (guint i = 0; i < s->n; i++)
    len += s->lens[i];
  note (c->rank, "sum %d arrays %u floats %" G_GSIZE_FORMAT, s->number, s->n,
      len);
  if (goes_wrong ("die", c->rank, s->number))
    kill (getpid (), SIGKILL);
  c->polls = POLLS;
  if (goes_wrong ("launch", c->rank, s->number))
    return CUDA_ERROR;
  if (goes_wrong ("async", c->rank, s->number))
    c->error = INTERNAL_ERROR;
  else if (goes_wrong ("cut", c->rank, s->number))
    c->error = REMOTE_ERROR;
  else
    post (s);
  defer (c->stream, try_sum, s);
  return IN_PROGRESS;
}

EXPORT Result
ncclCommFinalize (Comm *c)
{
  check_idle (c);
  note (c->rank, "finalize");
  c->finalizing = TRUE;
  c->polls = POLLS;
  g_atomic_int_set (&c->shared->finalized[c->rank], 1);
  return IN_PROGRESS;
}

static void
leave (Comm *c)
{
  munmap (c->shared, sizeof *c->shared);
  g_ptr_array_unref (c->sums);
  g_free (c);
}

EXPORT Result
ncclCommDestroy (Comm *c)
{
  if (!c->finalizing || !all (c->shared->finalized, c->size))
    fail ("a communicator is destroyed that was not finalized");
  note (c->rank, "destroy");
  if (c->rank == 0) {
    for (int rank = 0; rank < c->size; rank++)
      for (int i = c->n_sums; i > 0; i--) {
        g_autofree char *path = file_of (c, rank, i);

        if (g_unlink (path) != 0)
          break;
      }
    g_autofree char *path = g_build_filename (c->folder, "shared", NULL);
    g_unlink (path);
    g_rmdir (c->folder);
  }
  leave (c);
  return SUCCESS;
}

EXPORT Result
ncclCommAbort (Comm *c)
{
  note (c->rank, "abort");
  g_atomic_int_set (&c->shared->aborted, 1);
  while (g_getenv ("FAKE_NCCL_ABORT"))
    pause ();
  if (c->stream) {
    void (*drop) (gpointer stream) =
        (void (*) (gpointer)) emulated ("emulated_drop");

    drop (c->stream);
  }
  leave (c);
  return SUCCESS;
}
