/* What the processes of a run tell each other: what the caller asks for, with
 * the thread of talk.h. */
#include "ranks.h"

#include "error.h"
#include "talk.h"

#include <string.h>
#include <unistd.h>

#define JOINING 4 /* times the silence that others may take to start */

static void
say (const char *sentence)
{
  g_printerr ("%s: %s\n", g_get_prgname (), sentence);
}

static void
end_process (void)
{
  _exit (1);
}

const DefcnRanksOptions defcn_ranks_defaults = { .silence = 15,
  .grace = 8,
  .say = say,
  .end = end_process };

/* How a rank introduces itself; the same in every version. */
typedef struct
{
  char version[64];
  char host[192];
} Hello;

int
defcn_ranks_rank (const DefcnRanks *ranks)
{
  return ranks ? ranks->place.rank : 0;
}

int
defcn_ranks_size (const DefcnRanks *ranks)
{
  return ranks ? ranks->place.size : 1;
}

int
defcn_ranks_local_size (const DefcnRanks *ranks)
{
  return ranks ? ranks->place.local_size : 1;
}

const char *
defcn_ranks_name (const DefcnRanks *ranks, int rank)
{
  return ranks && ranks->names ? ranks->names[rank] : "rank 0";
}

/* FALSE with @error once something has failed; the lock is held. */
static gboolean
check (DefcnRanks *ranks, GError **error)
{
  if (!ranks->failure)
    return TRUE;
  ranks->noticed = TRUE;
  g_set_error_literal (error, DEFCN_ERROR, DEFCN_ERROR_VALUE, ranks->failure);
  return FALSE;
}

gboolean
defcn_ranks_check (DefcnRanks *ranks, GError **error)
{
  if (!ranks)
    return TRUE;

  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED =
      g_mutex_locker_new (&ranks->lock);
  return check (ranks, error);
}

gboolean
defcn_ranks_has_failed (DefcnRanks *ranks)
{
  if (!ranks)
    return FALSE;

  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED =
      g_mutex_locker_new (&ranks->lock);
  return ranks->failure != NULL;
}

gboolean
defcn_ranks_await_failure (DefcnRanks *ranks)
{
  if (!ranks)
    return FALSE;

  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED =
      g_mutex_locker_new (&ranks->lock);
  const gint64 end =
      g_get_monotonic_time () + (ranks->options.silence + 1) * G_USEC_PER_SEC;
  while (
      !ranks->failure && g_cond_wait_until (&ranks->changed, &ranks->lock, end))
    ;
  return ranks->failure != NULL;
}

static void
submit (DefcnRanks *ranks, DefcnJob *job)
{
  g_mutex_lock (&ranks->lock);
  g_queue_push_tail (&ranks->queue, job);
  g_cond_signal (&ranks->wake);
  g_mutex_unlock (&ranks->lock);
}

static gboolean
wait_for (DefcnRanks *ranks, const DefcnJob *job, GError **error)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED =
      g_mutex_locker_new (&ranks->lock);
  const gint64 begun = g_get_monotonic_time ();

  while (!job->done && !ranks->failure)
    g_cond_wait (&ranks->changed, &ranks->lock);
  ranks->waited += (g_get_monotonic_time () - begun) * 1e-6;
  return job->done || check (ranks, error);
}

/* Does @job, whose memory is the transport's for good if it is never done. */
static gboolean
run (DefcnRanks *ranks, const DefcnJob *what, gpointer result, gsize size,
    GError **error)
{
  DefcnJob *job = g_memdup2 (what, sizeof *what);

  submit (ranks, job);
  if (!wait_for (ranks, job, error))
    return FALSE;
  memcpy (result, job->data, size);
  g_free (job->data);
  g_free ((gpointer) job->mine);
  g_free (job);
  return TRUE;
}

gboolean
defcn_ranks_gather (DefcnRanks *ranks, void *all, const void *mine, gsize size,
    GError **error)
{
  if (!ranks) {
    memcpy (all, mine, size);
    return TRUE;
  }

  const gsize whole = size * ranks->place.size;
  const DefcnJob job = { .kind = DEFCN_JOB_GATHER,
    .data = g_malloc (whole),
    .mine = g_memdup2 (mine, size),
    .n = size };
  return run (ranks, &job, all, whole, error);
}

gboolean
defcn_ranks_broadcast (DefcnRanks *ranks, int root, void *data, gsize size,
    GError **error)
{
  if (!ranks || size == 0)
    return TRUE;

  const DefcnJob job = { .kind = DEFCN_JOB_BROADCAST,
    .data = g_memdup2 (data, size),
    .n = size,
    .root = root };
  return run (ranks, &job, data, size, error);
}

gboolean
defcn_ranks_share (DefcnRanks *ranks, int root, GByteArray *bytes,
    GError **error)
{
  guint64 size = bytes->len;

  if (!defcn_ranks_broadcast (ranks, root, &size, sizeof size, error))
    return FALSE;
  if (size > G_MAXUINT / 2) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s has %" G_GUINT64_FORMAT " bytes to tell, more than can be",
        defcn_ranks_name (ranks, root), size);
    return FALSE;
  }
  g_byte_array_set_size (bytes, size);
  return defcn_ranks_broadcast (ranks, root, bytes->data, size, error);
}

void
defcn_ranks_sum_begin (DefcnRanks *ranks, float *data, gsize n)
{
  if (!ranks || n == 0)
    return;

  DefcnJob *job = g_new0 (DefcnJob, 1);
  *job = (DefcnJob){ .kind = DEFCN_JOB_SUM, .data = data, .n = n };
  g_ptr_array_add (ranks->sums, job);
  ranks->summed += n * sizeof *data;
  submit (ranks, job);
}

gboolean
defcn_ranks_sum_wait (DefcnRanks *ranks, GError **error)
{
  if (!ranks)
    return TRUE;
  for (guint i = 0; i < ranks->sums->len; i++)
    if (!wait_for (ranks, ranks->sums->pdata[i], error))
      return FALSE; /* the transport has them still */
  g_ptr_array_set_size (ranks->sums, 0);
  return TRUE;
}

gboolean
defcn_ranks_barrier (DefcnRanks *ranks, GError **error)
{
  g_autofree char *all = g_malloc (defcn_ranks_size (ranks));

  return defcn_ranks_gather (ranks, all, "", 1, error);
}

gboolean
defcn_ranks_agree (DefcnRanks *ranks, const void *mine, gsize size,
    const char *what, GError **error)
{
  g_autofree char *all = g_malloc (size * defcn_ranks_size (ranks) + 1);

  if (!defcn_ranks_gather (ranks, all, mine, size, error))
    return FALSE;
  for (int i = 1; i < defcn_ranks_size (ranks); i++) {
    if (memcmp (all, all + i * size, size) == 0)
      continue;
    g_autofree char *sentence =
        g_strdup_printf ("%s: %s", defcn_ranks_name (ranks, i), what);
    g_mutex_lock (&ranks->lock);
    defcn_talk_set_failure (ranks, sentence, -1, TRUE); /* all see it */
    const gboolean good = check (ranks, error);
    g_mutex_unlock (&ranks->lock);
    return good;
  }
  return TRUE;
}

void
defcn_ranks_tell (DefcnRanks *ranks, const GError *why)
{
  if (!ranks)
    return;

  g_autofree char *sentence = g_strdup_printf ("%s: %s",
      defcn_ranks_name (ranks, ranks->place.rank), why->message);
  g_mutex_lock (&ranks->lock);
  defcn_talk_set_failure (ranks, sentence, -1, FALSE);
  g_mutex_unlock (&ranks->lock);
}

void
defcn_ranks_fail (DefcnRanks *ranks, GError **error)
{
  if (!ranks)
    return;
  defcn_ranks_tell (ranks, *error);
  g_clear_error (error);
  defcn_ranks_check (ranks, error);
}

gboolean
defcn_ranks_speaks (DefcnRanks *ranks)
{
  if (!ranks)
    return TRUE;

  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED =
      g_mutex_locker_new (&ranks->lock);
  return defcn_talk_speaker (ranks) == ranks->place.rank;
}

double
defcn_ranks_waited (const DefcnRanks *ranks)
{
  return ranks ? ranks->waited : 0;
}

guint64
defcn_ranks_summed (const DefcnRanks *ranks)
{
  return ranks ? ranks->summed : 0;
}

void
defcn_ranks_note (DefcnRanks *ranks, double seconds, guint64 bytes)
{
  if (!ranks)
    return;
  ranks->waited += seconds;
  ranks->summed += bytes;
}

/* Everybody says who it is; another version is a failure that all see. */
static void
meet (DefcnRanks *ranks)
{
  const int size = ranks->place.size;
  g_autofree Hello *all = g_new0 (Hello, size);
  g_autoptr (GError) error = NULL;
  Hello mine = { 0 };

  g_strlcpy (mine.version, ranks->transport->version, sizeof mine.version);
  g_strlcpy (mine.host, g_get_host_name (), sizeof mine.host);
  if (!defcn_ranks_gather (ranks, all, &mine, sizeof mine, &error))
    return;

  char **names = g_new0 (char *, size + 1);
  for (int i = 0; i < size; i++) {
    all[i].version[sizeof all[i].version - 1] = 0;
    all[i].host[sizeof all[i].host - 1] = 0;
    names[i] = g_strdup_printf ("rank %d (%s)", i, all[i].host);
  }
  g_mutex_lock (&ranks->lock);
  ranks->names = names;
  for (int i = 1; i < size; i++) {
    if (g_str_equal (all[i].version, all[0].version))
      continue;
    g_autofree char *sentence = g_strdup_printf ("%s is defcn %s, %s is %s",
        names[i], all[i].version, names[0], all[0].version);
    defcn_talk_set_failure (ranks, sentence, -1, TRUE);
  }
  g_mutex_unlock (&ranks->lock);
}

/* Ends the thread. */
static void
end_thread (DefcnRanks *ranks, gboolean good)
{
  g_mutex_lock (&ranks->lock);
  ranks->leaving = ranks->noticed = TRUE;
  ranks->good = good && !ranks->failure;
  g_cond_signal (&ranks->wake);
  g_mutex_unlock (&ranks->lock);
  g_thread_join (ranks->thread);
}

/* Of what will not be done any more. */
static void
free_jobs (GQueue *jobs)
{
  DefcnJob *job;

  while ((job = g_queue_pop_head (jobs))) {
    if (job->kind == DEFCN_JOB_SUM)
      continue; /* of ranks->sums */
    g_free (job->data);
    g_free ((gpointer) job->mine);
    g_free (job);
  }
}

static void
clear (DefcnRanks *ranks)
{
  free_jobs (&ranks->active);
  free_jobs (&ranks->queue);
  g_strfreev (ranks->names);
  g_ptr_array_unref (ranks->sums);
  g_clear_error (&ranks->join_error);
  g_mutex_clear (&ranks->lock);
  g_cond_clear (&ranks->wake);
  g_cond_clear (&ranks->changed);
  g_free (ranks->failure);
  g_free (ranks->seen);
  g_free (ranks);
}

DefcnRanks *
defcn_ranks_new (const DefcnTransport *transport,
    const DefcnRanksOptions *options, GError **error)
{
  DefcnRanks *ranks = g_new0 (DefcnRanks, 1);

  ranks->transport = transport;
  ranks->options = options ? *options : defcn_ranks_defaults;
  ranks->place.size = 1;
  ranks->lost = -1;
  ranks->sums = g_ptr_array_new_with_free_func (g_free);
  g_mutex_init (&ranks->lock);
  g_cond_init (&ranks->wake);
  g_cond_init (&ranks->changed);

  const DefcnRanksOptions *o = &ranks->options;
  const gint64 patience =
      g_get_monotonic_time () + JOINING * o->silence * G_USEC_PER_SEC;
  ranks->thread = g_thread_new ("defcn-ranks", defcn_talk_run, ranks);
  g_mutex_lock (&ranks->lock);
  while (!ranks->joined
      && g_cond_wait_until (&ranks->changed, &ranks->lock, patience))
    ;
  const gboolean joined = ranks->joined;
  g_mutex_unlock (&ranks->lock);
  if (!joined) { /* the thread waits still, with all that is here */
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "the other ranks have not come within %g s", JOINING * o->silence);
    return NULL;
  }
  if (!ranks->link) {
    g_thread_join (ranks->thread);
    g_propagate_error (error, g_steal_pointer (&ranks->join_error));
    clear (ranks);
    return NULL;
  }
  meet (ranks);
  return ranks;
}

void
defcn_ranks_free (DefcnRanks *ranks, gboolean good)
{
  if (!ranks)
    return;

  /* the others may have much to do still */
  good = good && defcn_ranks_barrier (ranks, NULL);
  end_thread (ranks, good);
  clear (ranks);
}
