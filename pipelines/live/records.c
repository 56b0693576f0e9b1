/* Records of all cameras on their way to a file or standard output. */
#include "records.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_LINE (1 << 20)
#define MAX_WAITING (4 << 20) /* bytes that wait to be written */
#define REOPEN_WAIT G_USEC_PER_SEC

struct _LiveRecords
{
  char *place; /* NULL: standard output */
  gboolean none;
  GThread *thread;

  GMutex lock;
  GCond changed;
  GQueue lines; /* char *, with their ends */
  gsize waiting;
  gboolean reopen, stop, stopped;
  guint64 written, dropped;

  /* the thread */
  int fd;
  gint64 opened; /* when that was tried last */
  gboolean cut;  /* the last line was not written to its end */
  gboolean told; /* of what goes wrong */
};

/* One pipe. */
typedef struct
{
  LiveRecords *records;
  GString *text; /* a line that has not ended */
  LiveRecordsLine line;
  gpointer user;
  GDestroyNotify destroy;
} Reader;

/* The thread. */

/* Never waits for the reader of a FIFO. */
static int
open_place (const char *place)
{
  return open (place,
      O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
}

/* Whether it is a file whose last line has no end: who wrote it was killed, or
 * the disk was full. */
static gboolean
is_cut (int fd)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", fd);
  struct stat info;
  char last = '\n';
  int again;

  if (fstat (fd, &info) != 0 || !S_ISREG (info.st_mode) || info.st_size == 0)
    return FALSE;
  again = open (path, O_RDONLY | O_CLOEXEC); /* that one cannot be read from */
  if (again < 0)
    return FALSE;
  if (pread (again, &last, 1, info.st_size - 1) != 1)
    last = '\n';
  close (again);
  return last != '\n';
}

static void
tell (LiveRecords *records, int problem)
{
  if (!records->told)
    g_warning ("records: %s: %s; records are lost until that ends",
        records->place ? records->place : "standard output",
        g_strerror (problem));
  records->told = TRUE;
}

static gboolean
should_stop (LiveRecords *records)
{
  gboolean stop;

  g_mutex_lock (&records->lock);
  stop = records->stop;
  g_mutex_unlock (&records->lock);
  return stop;
}

/* Waits for a reader that is slow, unless there is an end to it. */
static gboolean
write_text (LiveRecords *records, const char *text, gsize len)
{
  while (len > 0) {
    const gssize n = write (records->fd, text, len);
    struct pollfd out = { records->fd, POLLOUT, 0 };

    if (n >= 0) {
      text += n;
      len -= (gsize) n;
      records->cut = len > 0;
    } else if (errno == EAGAIN && !should_stop (records)) {
      poll (&out, 1, 200);
    } else if (errno != EINTR) {
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
write_line (LiveRecords *records, const char *line)
{
  const gint64 now = g_get_monotonic_time ();

  if (records->fd < 0 && now >= records->opened + REOPEN_WAIT) {
    records->opened = now;
    records->fd = open_place (records->place);
    if (records->fd < 0)
      tell (records, errno);
    else
      records->cut = is_cut (records->fd);
  }
  if (records->fd < 0)
    return FALSE;
  if ((records->cut && !write_text (records, "\n", 1))
      || !write_text (records, line, strlen (line))) {
    const int problem = errno; /* telling changes it */

    tell (records, problem);
    if (problem == EPIPE && records->place) {
      close (records->fd);
      records->fd = -1;
      records->cut = FALSE;
    }
    return FALSE;
  }
  if (records->told)
    g_message ("records: they are written again");
  records->told = FALSE;
  return TRUE;
}

static void
reopen (LiveRecords *records)
{
  if (!records->place)
    return;
  if (records->fd >= 0)
    close (records->fd);
  records->fd = -1;
  records->opened = 0;
  records->cut = FALSE;
}

static gpointer
run (gpointer data)
{
  LiveRecords *records = data;

  g_mutex_lock (&records->lock);
  while (records->lines.length || !records->stop) {
    g_autofree char *line = g_queue_pop_head (&records->lines);
    const gboolean again = records->reopen;
    gboolean written;

    records->reopen = FALSE;
    if (!line && !again) {
      g_cond_wait (&records->changed, &records->lock);
      continue;
    }
    g_mutex_unlock (&records->lock);
    if (again)
      reopen (records);
    written = line && write_line (records, line);
    g_mutex_lock (&records->lock);
    if (line) {
      records->waiting -= strlen (line);
      records->written += written ? 1 : 0;
      records->dropped += written ? 0 : 1;
    }
  }
  records->stopped = TRUE;
  g_cond_broadcast (&records->changed);
  g_mutex_unlock (&records->lock);
  return NULL;
}

/* The main thread. */

static void
enqueue (LiveRecords *records, const char *line, gsize len)
{
  if (records->none)
    return;
  g_mutex_lock (&records->lock);
  if (records->waiting + len + 1 > MAX_WAITING) {
    records->dropped++;
  } else {
    records->waiting += len + 1;
    g_queue_push_tail (&records->lines, g_strconcat (line, "\n", NULL));
    g_cond_broadcast (&records->changed);
  }
  g_mutex_unlock (&records->lock);
}

static void
reader_free (gpointer data)
{
  Reader *reader = data;

  reader->destroy (reader->user);
  g_string_free (reader->text, TRUE);
  g_free (reader);
}

static void
take_lines (Reader *reader)
{
  char *at = reader->text->str, *end;

  while ((end = strchr (at, '\n'))) {
    *end = '\0';
    enqueue (reader->records, at, (gsize) (end - at));
    reader->line (at, reader->user);
    at = end + 1;
  }
  g_string_erase (reader->text, 0, at - reader->text->str);
  if (reader->text->len > MAX_LINE)
    g_string_truncate (reader->text, 0);
}

static gboolean
on_readable (int fd, GIOCondition condition, gpointer data)
{
  Reader *reader = data;
  char bytes[16384];
  const gssize n = read (fd, bytes, sizeof bytes);

  if (n > 0) {
    g_string_append_len (reader->text, bytes, n);
    take_lines (reader);
    return G_SOURCE_CONTINUE;
  }
  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  close (fd);
  return G_SOURCE_REMOVE;
}

LiveRecords *
live_records_new (const char *place, GError **error)
{
  LiveRecords *records;
  int fd = STDOUT_FILENO;
  const gboolean none = g_str_equal (place, "none");
  const gboolean file = !none && !g_str_equal (place, "-");

  if (file && (fd = open_place (place)) < 0) {
    const int problem = errno;

    g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (problem),
        "[live] records: cannot open \"%s\": %s", place, g_strerror (problem));
    return NULL;
  }
  records = g_new0 (LiveRecords, 1);
  records->place = file ? g_strdup (place) : NULL;
  records->none = none;
  records->fd = fd;
  records->cut = !none && is_cut (fd);
  g_mutex_init (&records->lock);
  g_cond_init (&records->changed);
  g_queue_init (&records->lines);
  records->thread = g_thread_new ("records", run, records);
  return records;
}

int
live_records_add (LiveRecords *records, LiveRecordsLine line, gpointer user,
    GDestroyNotify destroy, GError **error)
{
  Reader *reader;
  int fds[2];

  if (!g_unix_open_pipe (fds, FD_CLOEXEC, error)) {
    destroy (user);
    return -1;
  }
  g_unix_set_fd_nonblocking (fds[0], TRUE, NULL);
  g_unix_set_fd_nonblocking (fds[1], TRUE, NULL);
  reader = g_new0 (Reader, 1);
  reader->records = records;
  reader->text = g_string_new (NULL);
  reader->line = line;
  reader->user = user;
  reader->destroy = destroy;
  g_unix_fd_add_full (G_PRIORITY_DEFAULT, fds[0], G_IO_IN | G_IO_HUP,
      on_readable, reader, reader_free);
  return fds[1];
}

void
live_records_reopen (LiveRecords *records)
{
  g_mutex_lock (&records->lock);
  records->reopen = TRUE;
  g_cond_broadcast (&records->changed);
  g_mutex_unlock (&records->lock);
}

void
live_records_count (LiveRecords *records, guint64 *written, guint64 *dropped)
{
  g_mutex_lock (&records->lock);
  *written = records->written;
  *dropped = records->dropped;
  g_mutex_unlock (&records->lock);
}

void
live_records_free (LiveRecords *records, gint64 timeout)
{
  const gint64 until = g_get_monotonic_time () + timeout;
  gboolean stopped;

  if (!records)
    return;
  g_mutex_lock (&records->lock);
  records->stop = TRUE;
  g_cond_broadcast (&records->changed);
  while (!records->stopped
      && g_cond_wait_until (&records->changed, &records->lock, until))
    ;
  stopped = records->stopped;
  g_mutex_unlock (&records->lock);
  if (!stopped)
    return; /* the thread has it still, in a write that hangs */
  g_thread_join (records->thread);
  if (records->place && records->fd >= 0)
    close (records->fd);
  g_mutex_clear (&records->lock);
  g_cond_clear (&records->changed);
  g_free (records->place);
  g_free (records);
}
