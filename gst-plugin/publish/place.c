/* A place that text is written to, in turns with others. */
#define _GNU_SOURCE /* F_OFD_SETLK */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* How often somebody else's lock and a FIFO's missing reader are looked at. */
#define TURN_EVERY (2 * GST_MSECOND)
#define READER_EVERY (20 * GST_MSECOND)
/* How long an open waits for somebody who writes to the file just now. */
#define OPEN_TRIES 250

/* Beyond the end of any file: whoever writes to one has a lock on a byte from
 * here on, by which others see that it is not to be emptied. */
#define PRESENCE (G_GINT64_CONSTANT (1) << 50)

struct _GstDefcnPlace
{
  char *name; /* for messages */
  char *fifo; /* path of one that has no reader yet, or NULL */
  int fd;     /* -1: that has not been opened */
  int lock;   /* for flock(), -1: none */
  gboolean ours, alone;
  gboolean is_stdout;
  struct stat info; /* st_ino 0: not known */
  GstPoll *poll;    /* with @fd alone */
  GstPoll *nap;     /* with nothing */
  char *rest;       /* of a text that was cut, NULL: none */

  /* under places_lock */
  gboolean flushing;
  gboolean held; /* it is our turn */
};

static GMutex places_lock;
static GCond places_changed;
static GList *places; /* all that are open, under the lock */
static gboolean stdout_closed;

static void
set_error (const GstDefcnPlace *place, int number, GError **error)
{
  g_set_error (error, GST_RESOURCE_ERROR,
      number == ENOSPC ? GST_RESOURCE_ERROR_NO_SPACE_LEFT
                       : GST_RESOURCE_ERROR_WRITE,
      "Detections cannot be written to %s: %s", place->name,
      g_strerror (number));
}

static void
set_open_error (const GstDefcnPlace *place, const char *why, GError **error)
{
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE,
      "%s cannot be opened for writing: %s", place->name, why);
}

static void
set_busy_error (const GstDefcnPlace *place, GError **error)
{
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY,
      "%s is being written to by somebody else", place->name);
}

static gboolean
is_file (const GstDefcnPlace *place)
{
  return place->info.st_ino && S_ISREG (place->info.st_mode);
}

/* What two of us may not write to in disorder; what is written to a device,
 * such as /dev/null, is nobody's. */
static gboolean
is_shared (const GstDefcnPlace *place)
{
  return place->info.st_ino && !S_ISCHR (place->info.st_mode);
}

static gboolean
is_same (const GstDefcnPlace *a, const GstDefcnPlace *b)
{
  return is_shared (a) && is_shared (b) && a->info.st_dev == b->info.st_dev
      && a->info.st_ino == b->info.st_ino;
}

/* Turns. */

/* Waits unless flushing; FALSE then. */
static gboolean
nap (GstDefcnPlace *place, GstClockTime time)
{
  return gst_poll_wait (place->nap, time) >= 0 || errno != EBUSY;
}

/* With the lock held. */
static gboolean
another_writes (const GstDefcnPlace *place)
{
  for (const GList *l = places; l; l = l->next) {
    const GstDefcnPlace *other = l->data;

    if (other != place && other->held && is_same (place, other))
      return TRUE;
  }
  return FALSE;
}

static void
end_turn (GstDefcnPlace *place)
{
  if (place->lock >= 0)
    flock (place->lock, LOCK_UN);
  g_mutex_lock (&places_lock);
  place->held = FALSE;
  g_cond_broadcast (&places_changed);
  g_mutex_unlock (&places_lock);
}

/* File systems without locks have none to wait for. */
static gboolean
try_lock (GstDefcnPlace *place)
{
  return place->lock < 0 || flock (place->lock, LOCK_EX | LOCK_NB) == 0
      || (errno != EWOULDBLOCK && errno != EINTR);
}

static gboolean
begin_turn (GstDefcnPlace *place, gboolean wait)
{
  g_mutex_lock (&places_lock);
  while (wait && !place->flushing && another_writes (place))
    g_cond_wait (&places_changed, &places_lock);
  if (!place->held)
    place->held = !(wait && place->flushing) && !another_writes (place);
  const gboolean held = place->held;
  g_mutex_unlock (&places_lock);

  if (!held)
    return FALSE;
  while (!try_lock (place))
    if (!wait || !nap (place, TURN_EVERY)) {
      end_turn (place);
      return FALSE;
    }
  return TRUE;
}

/* Opening. */

void
gst_defcn_place_init (void)
{
  stdout_closed = fcntl (STDOUT_FILENO, F_GETFD) < 0;
}

/* What a program is started with outlives exec(), and is something that one can
 * write to; what got a number that was free, mostly is not. */
static gboolean
stdout_is_open (void)
{
  const int flags = fcntl (STDOUT_FILENO, F_GETFD);
  struct stat info;

  return !stdout_closed && flags >= 0 && !(flags & FD_CLOEXEC)
      && (fcntl (STDOUT_FILENO, F_GETFL) & O_ACCMODE) != O_RDONLY
      && fstat (STDOUT_FILENO, &info) == 0 && (info.st_mode & S_IFMT);
}

static void
watch (GstDefcnPlace *place)
{
  GstPollFD fd = GST_POLL_FD_INIT;

  fd.fd = place->fd;
  if (fstat (place->fd, &place->info) < 0)
    place->info.st_ino = 0; /* writing will fail */
  gst_poll_add_fd (place->poll, &fd);
  gst_poll_fd_ctl_write (place->poll, &fd, TRUE);
}

/* Opens @path; a FIFO without a reader is left for later. */
static gboolean
open_path (GstDefcnPlace *place, const char *path, gboolean append,
    GError **error)
{
  struct stat info;

  place->ours = TRUE;
  place->fd = open (path,
      O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK
          | (append ? O_APPEND : 0),
      0666);
  if (place->fd >= 0) {
    place->lock = place->fd;
    watch (place);
    return TRUE;
  }
  if (errno == ENXIO && stat (path, &info) == 0 && S_ISFIFO (info.st_mode)) {
    place->fifo = g_strdup (path);
    place->info = info;
    return TRUE;
  }
  set_open_error (place, g_strerror (errno), error);
  return FALSE;
}

/* A descriptor that we were given may be another process's too, and its locks
 * with it: ours need one of their own. */
static void
open_lock (GstDefcnPlace *place)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", place->fd);

  if (!is_shared (place) || S_ISSOCK (place->info.st_mode))
    return;
  place->lock = open (path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

/* Whether another place has the file open; from now on others see us. */
static gboolean
become_present (GstDefcnPlace *place)
{
  struct flock all = { .l_type = F_WRLCK, .l_start = PRESENCE };
  struct flock one = { .l_type = F_WRLCK, .l_len = 1 };
  const gboolean others =
      fcntl (place->fd, F_OFD_GETLK, &all) == 0 && all.l_type != F_UNLCK;

  for (one.l_start = PRESENCE; fcntl (place->fd, F_OFD_SETLK, &one) < 0;
       one.l_start++)
    if (errno != EAGAIN && errno != EACCES)
      break;
  return others;
}

/* A line that was not ended, by a power cut say, must not have ours for its
 * end. */
static void
end_last_line (GstDefcnPlace *place, const char *path)
{
  const int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  const off_t size = lseek (place->fd, 0, SEEK_END);
  char last;

  if (fd < 0)
    return;
  if (size > 0 && pread (fd, &last, 1, size - 1) == 1 && last != '\n'
      && write (place->fd, "\n", 1) < 0)
    GST_WARNING ("%s: %s", place->name, g_strerror (errno));
  close (fd);
}

/* Has a file begin as it should, while nobody writes to it. */
static gboolean
prepare_file (GstDefcnPlace *place, const char *path, GstDefcnPlaceFlags flags,
    GError **error)
{
  int tries = OPEN_TRIES;
  gboolean others;

  while (!try_lock (place))
    if (!tries-- || !nap (place, TURN_EVERY)) {
      set_busy_error (place, error);
      return FALSE;
    }
  others = become_present (place);
  if (others && (flags & GST_DEFCN_PLACE_ALONE)) {
    set_busy_error (place, error);
    return FALSE;
  }
  if (flags & GST_DEFCN_PLACE_APPEND)
    end_last_line (place, path);
  else if (!others && ftruncate (place->fd, 0) < 0) {
    set_open_error (place, g_strerror (errno), error);
    return FALSE;
  }
  if (flags & GST_DEFCN_PLACE_ALONE)
    place->held = TRUE; /* to the end */
  else
    flock (place->lock, LOCK_UN);
  return TRUE;
}

/* Makes @place known to the others of this process. */
static gboolean
join (GstDefcnPlace *place, GError **error)
{
  gboolean free = TRUE;

  g_mutex_lock (&places_lock);
  for (const GList *l = places; l; l = l->next) {
    const GstDefcnPlace *other = l->data;

    free &= !is_same (place, other) || !(place->alone || other->alone);
  }
  places = g_list_prepend (places, place);
  g_mutex_unlock (&places_lock);
  if (!free)
    set_busy_error (place, error);
  return free;
}

static gboolean
open_place (GstDefcnPlace *place, const char *location, int fd,
    GstDefcnPlaceFlags flags, GError **error)
{
  if (!place->poll || !place->nap) {
    set_error (place, errno, error);
    return FALSE;
  }
  if (fd < 0 && location)
    return open_path (place, location, !(flags & GST_DEFCN_PLACE_ALONE), error)
        && join (place, error)
        && (!is_file (place) || prepare_file (place, location, flags, error));
  place->fd = fd < 0 ? STDOUT_FILENO : fd;
  watch (place);
  open_lock (place);
  return join (place, error);
}

GstDefcnPlace *
gst_defcn_place_open (const char *location, int fd, GstDefcnPlaceFlags flags,
    GError **error)
{
  GstDefcnPlace *place = g_new0 (GstDefcnPlace, 1);

  /* Opened by its other name it would be a place of its own. */
  if (location
      && (g_str_equal (location, "-") || g_str_equal (location, "/dev/stdout")))
    location = NULL;
  place->name = fd >= 0 ? g_strdup_printf ("descriptor %d", fd)
      : location        ? g_strdup_printf ("\"%s\"", location)
                        : g_strdup ("standard output");
  place->fd = place->lock = -1;
  place->is_stdout = fd < 0 && !location;
  place->alone = (flags & GST_DEFCN_PLACE_ALONE) != 0;
  /* Before anything else is opened. */
  if (fd < 0 && !location && !stdout_is_open ()) {
    set_open_error (place, "it is closed; set \"location\" or \"fd\"", error);
    gst_defcn_place_close (place, NULL);
    return NULL;
  }
  place->poll = gst_poll_new (TRUE);
  place->nap = gst_poll_new (TRUE);
  if (open_place (place, location, fd, flags, error))
    return place;
  gst_defcn_place_close (place, NULL);
  return NULL;
}

/* Writing. */

/* Opens a FIFO as soon as it has a reader. */
static GstFlowReturn
open_fifo (GstDefcnPlace *place, gboolean wait, GError **error)
{
  while (place->fd < 0) {
    place->fd = open (place->fifo, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    if (place->fd >= 0)
      break;
    if (errno != ENXIO && errno != EINTR) {
      set_error (place, errno, error);
      return GST_FLOW_ERROR;
    }
    if (!wait || !nap (place, READER_EVERY))
      return GST_FLOW_FLUSHING;
  }
  place->lock = place->fd;
  watch (place);
  return GST_FLOW_OK;
}

/* write() whose EPIPE comes without SIGPIPE: the reader that has gone is no
 * reason to end the process of an application.  That of standard output is,
 * for a command whose output nobody takes any more. */
static gssize
write_quietly (const GstDefcnPlace *place, const char *text, gsize n)
{
  const struct timespec no_time = { 0, 0 };
  sigset_t broken, pending, mask;
  gssize written;
  int number;

  if (place->is_stdout)
    return write (place->fd, text, n);
  sigemptyset (&broken);
  sigaddset (&broken, SIGPIPE);
  pthread_sigmask (SIG_BLOCK, &broken, &mask);
  sigpending (&pending);
  written = write (place->fd, text, n);
  number = errno;
  /* One that was there before is somebody else's. */
  if (written < 0 && number == EPIPE && !sigismember (&pending, SIGPIPE))
    while (sigtimedwait (&broken, NULL, &no_time) < 0 && errno == EINTR)
      continue;
  pthread_sigmask (SIG_SETMASK, &mask, NULL);
  errno = number;
  return written;
}

/* Writes of *@text and advances it.  Not more at a time than what a pipe that
 * has room takes without waiting. */
static GstFlowReturn
write_all (GstDefcnPlace *place, const char **text, gboolean wait,
    GError **error)
{
  gsize left = strlen (*text);

  while (left > 0) {
    const int ready =
        gst_poll_wait (place->poll, wait ? GST_CLOCK_TIME_NONE : 0);
    gssize n;

    if (ready == 0 || (ready < 0 && errno == EBUSY))
      return GST_FLOW_FLUSHING;
    n = write_quietly (place, *text,
        is_file (place) ? left : MIN (left, PIPE_BUF));
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
      continue;
    if (n < 0) {
      set_error (place, errno, error);
      return GST_FLOW_ERROR;
    }
    *text += n;
    left -= n;
  }
  return GST_FLOW_OK;
}

/* Writes what was cut.  The turn has not ended. */
static GstFlowReturn
write_rest (GstDefcnPlace *place, gboolean wait, GError **error)
{
  g_autofree char *rest = g_steal_pointer (&place->rest);
  const char *left = rest;
  const GstFlowReturn flow = write_all (place, &left, wait, error);

  if (*left)
    place->rest = g_strdup (left);
  return flow;
}

GstFlowReturn
gst_defcn_place_write (GstDefcnPlace *place, const char *text, gboolean wait,
    gboolean *begun, GError **error)
{
  const char *left = text;
  GstFlowReturn flow = GST_FLOW_OK;

  *begun = FALSE;
  if (place->fd < 0)
    flow = open_fifo (place, wait, error);
  if (flow == GST_FLOW_OK && place->rest)
    flow = write_rest (place, wait, error);
  if (flow != GST_FLOW_OK)
    return flow;
  if (!begin_turn (place, wait))
    return GST_FLOW_FLUSHING;
  /* Others may have written to the file by descriptors of their own. */
  if (!place->alone && is_file (place))
    gst_defcn_place_go_to_end (place);
  flow = write_all (place, &left, wait, error);
  *begun = left != text;
  if (*begun && *left)
    place->rest = g_strdup (left);
  else if (!place->alone)
    end_turn (place);
  return flow;
}

gboolean
gst_defcn_place_go_back (GstDefcnPlace *place, gsize n)
{
  return place->ours && place->fd >= 0
      && lseek (place->fd, -(off_t) n, SEEK_CUR) >= 0;
}

void
gst_defcn_place_go_to_end (GstDefcnPlace *place)
{
  lseek (place->fd, 0, SEEK_END);
}

void
gst_defcn_place_set_flushing (GstDefcnPlace *place, gboolean flushing)
{
  g_mutex_lock (&places_lock);
  place->flushing = flushing;
  g_cond_broadcast (&places_changed);
  g_mutex_unlock (&places_lock);
  gst_poll_set_flushing (place->poll, flushing);
  gst_poll_set_flushing (place->nap, flushing);
}

gboolean
gst_defcn_place_close (GstDefcnPlace *place, GError **error)
{
  gboolean good = TRUE;

  end_turn (place);
  g_mutex_lock (&places_lock);
  places = g_list_remove (places, place);
  g_mutex_unlock (&places_lock);
  if (place->lock >= 0 && place->lock != place->fd)
    close (place->lock);
  /* Some file systems tell only now that there was no space. */
  if (place->ours && place->fd >= 0 && close (place->fd) < 0) {
    set_error (place, errno, error);
    good = FALSE;
  }
  g_clear_pointer (&place->poll, gst_poll_free);
  g_clear_pointer (&place->nap, gst_poll_free);
  g_free (place->rest);
  g_free (place->fifo);
  g_free (place->name);
  g_free (place);
  return good;
}
