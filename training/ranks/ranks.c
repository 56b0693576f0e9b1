/* What the processes of a run tell each other: a queue to a thread that does
 * all the talking, signs of life, and one failure that ends everybody. */
#include "ranks.h"

#include "error.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BEATS 5       /* signs of life within the time that makes one lost .. */
#define BEAT_MAX 1.0  /* .. and seconds between two at most */
#define BUSY_PAUSE 50 /* microseconds between two looks at what is under way */
#define IDLE_PAUSE 2000
#define JOINING 4    /* times the silence that others may take to start */
#define FAREWELL 5.0 /* seconds, at most, without the one who speaks at last */

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

typedef enum
{
  JOB_SUM,
  JOB_GATHER,
  JOB_BROADCAST,
} JobKind;

/* Something that all ranks do together. */
typedef struct
{
  JobKind kind;
  gpointer data;
  gconstpointer mine;
  gsize n; /* floats of a sum, else bytes */
  int root;
  gpointer request; /* NULL before it has begun */
  gboolean done;
} Job;

/* How a rank introduces itself; the same in every version. */
typedef struct
{
  char version[64];
  char host[192];
} Hello;

struct _DefcnRanks
{
  const DefcnTransport *transport;
  DefcnRanksOptions options;
  DefcnPlace place;
  gpointer link;
  GThread *thread;
  char **names;    /* of the ranks, after they have met */
  GPtrArray *sums; /* of Job: begun and not waited for */
  double waited;
  guint64 summed;

  /* Of the thread. */
  GQueue active; /* of Job */
  gint64 *seen;  /* when each rank was heard of */
  gint64 beaten, looked;
  int stop_told;

  GMutex lock;
  GCond wake, changed;
  GQueue queue; /* of Job, for the thread */
  gboolean joined, leaving, good;
  GError *join_error;
  char *failure;    /* the sentence, NULL: all is well */
  int lost;         /* rank that it says is silent, or -1 */
  gboolean told;    /* all others know it, or need not be told */
  gboolean noticed; /* so does the caller */
  gint64 failed_at;
};

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
defcn_ranks_local_rank (const DefcnRanks *ranks)
{
  return ranks ? ranks->place.local_rank : 0;
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

/* The first failure is the one that counts; the lock is held.  @told: the
 * others have it too. */
static void
set_failure (DefcnRanks *ranks, const char *sentence, int lost, gboolean told)
{
  if (ranks->failure)
    return;
  ranks->failure = g_utf8_make_valid (sentence, -1);
  ranks->lost = lost;
  ranks->told = told;
  ranks->failed_at = g_get_monotonic_time ();
  if (ranks->options.stop && *ranks->options.stop == 0)
    *ranks->options.stop = SIGTERM;
  g_cond_broadcast (&ranks->changed);
}

static gboolean
has_failed (DefcnRanks *ranks)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED =
      g_mutex_locker_new (&ranks->lock);

  return ranks->failure != NULL;
}

/* The one who prints it: the first who can. */
static int
speaker (const DefcnRanks *ranks)
{
  return ranks->lost == 0 ? 1 : 0;
}

static void
begin (DefcnRanks *ranks, Job *job)
{
  const DefcnTransport *t = ranks->transport;

  switch (job->kind) {
    case JOB_SUM:
      job->request = t->sum (ranks->link, job->data, job->n);
      break;
    case JOB_GATHER:
      job->request = t->gather (ranks->link, job->data, job->mine, job->n);
      break;
    case JOB_BROADCAST:
      job->request = t->broadcast (ranks->link, job->root, job->data, job->n);
      break;
  }
}

/* Takes what the caller has queued; after a failure nothing begins. */
static void
begin_queued (DefcnRanks *ranks)
{
  Job *job;

  for (;;) {
    g_mutex_lock (&ranks->lock);
    job = ranks->failure ? NULL : g_queue_pop_head (&ranks->queue);
    g_mutex_unlock (&ranks->lock);
    if (!job)
      return;
    begin (ranks, job);
    g_queue_push_tail (&ranks->active, job);
  }
}

/* Returns: whether something was done. */
static gboolean
move_on (DefcnRanks *ranks)
{
  gboolean any = FALSE;

  for (GList *l = ranks->active.head, *next; l; l = next) {
    Job *job = l->data;

    next = l->next;
    if (!ranks->transport->test (ranks->link, job->request))
      continue;
    any = TRUE;
    g_mutex_lock (&ranks->lock);
    if (!ranks->failure) { /* else the caller waits no more */
      g_queue_delete_link (&ranks->active, l);
      job->done = TRUE;
      g_cond_broadcast (&ranks->changed);
    }
    g_mutex_unlock (&ranks->lock);
  }
  return any;
}

static void
listen_to_others (DefcnRanks *ranks, gint64 now)
{
  volatile int *stop = ranks->options.stop;
  DefcnNote note;
  int from;

  while (ranks->transport->receive (ranks->link, &from, &note)) {
    ranks->seen[from] = now;
    if (note.stop && stop && *stop == 0)
      *stop = note.stop;
    if (note.kind != DEFCN_NOTE_FAILED)
      continue;
    note.text[sizeof note.text - 1] = 0;
    g_mutex_lock (&ranks->lock);
    set_failure (ranks, note.text, note.lost, TRUE);
    g_mutex_unlock (&ranks->lock);
  }
}

static void
send_to_others (DefcnRanks *ranks, const DefcnNote *note, gboolean all)
{
  const int rank = ranks->place.rank;

  /* Rank 0 hears all and all hear rank 0. */
  for (int i = 0; i < ranks->place.size; i++)
    if (i != rank && (all || rank == 0 || i == 0))
      ranks->transport->send (ranks->link, i, note);
}

/* Signs of life, and a wish to stop as soon as it is there. */
static void
beat (DefcnRanks *ranks, gint64 now)
{
  const int stop = ranks->options.stop ? *ranks->options.stop : 0;
  const DefcnNote note = { .kind = DEFCN_NOTE_ALIVE, .stop = stop, .lost = -1 };
  const double pause = MIN (BEAT_MAX, ranks->options.silence / BEATS);

  if (now - ranks->beaten < pause * G_USEC_PER_SEC && stop == ranks->stop_told)
    return;
  ranks->beaten = now;
  ranks->stop_told = stop;
  send_to_others (ranks, &note, has_failed (ranks));
}

/* Tells a failure that the others do not know. */
static void
tell (DefcnRanks *ranks)
{
  DefcnNote note = { .kind = DEFCN_NOTE_FAILED };

  g_mutex_lock (&ranks->lock);
  const gboolean due = ranks->failure && !ranks->told;
  if (due) {
    note.lost = ranks->lost;
    g_strlcpy (note.text, ranks->failure, sizeof note.text);
    ranks->told = TRUE;
  }
  g_mutex_unlock (&ranks->lock);
  if (due)
    send_to_others (ranks, &note, TRUE);
}

/* Whether this one listens for signs of life of @rank. */
static gboolean
watches (const DefcnRanks *ranks, int rank)
{
  return rank != ranks->place.rank && (ranks->place.rank == 0 || rank == 0);
}

static void
lose (DefcnRanks *ranks, int rank)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED =
      g_mutex_locker_new (&ranks->lock);
  g_autofree char *sentence =
      g_strdup_printf ("%s does not answer any more, for %g s: it has ended, "
                       "hangs or cannot be reached",
          ranks->names ? ranks->names[rank] : "a rank", ranks->options.silence);

  set_failure (ranks, sentence, rank, FALSE);
}

/* Who has been silent for too long is lost. */
static void
watch (DefcnRanks *ranks, gint64 now)
{
  const double silence = ranks->options.silence;
  const gboolean slept =
      now - ranks->looked > silence / 2 * G_USEC_PER_SEC; /* was stopped */

  ranks->looked = now;
  for (int i = 0; i < ranks->place.size; i++) {
    if (slept)
      ranks->seen[i] = now;
    if (!watches (ranks, i) || now - ranks->seen[i] < silence * G_USEC_PER_SEC)
      continue;
    lose (ranks, i);
  }
}

/* The caller is somewhere else, and the others are waiting. */
static gboolean
give_up_if_due (DefcnRanks *ranks, gint64 now)
{
  g_mutex_lock (&ranks->lock);
  const gboolean due = ranks->failure && !ranks->noticed
      && now - ranks->failed_at > ranks->options.grace * G_USEC_PER_SEC;
  ranks->noticed = ranks->noticed || due;
  ranks->leaving = ranks->leaving || due;
  g_mutex_unlock (&ranks->lock);
  if (due && speaker (ranks) == ranks->place.rank)
    ranks->options.say (ranks->failure);
  return due;
}

static void
pause_thread (DefcnRanks *ranks)
{
  if (ranks->active.length > 0) {
    g_usleep (BUSY_PAUSE);
    return;
  }
  g_mutex_lock (&ranks->lock);
  if (ranks->queue.length == 0 || ranks->failure)
    g_cond_wait_until (&ranks->wake, &ranks->lock,
        g_get_monotonic_time () + IDLE_PAUSE);
  g_mutex_unlock (&ranks->lock);
}

/* After a failure whoever does not speak stays for as long as the speaker, who
 * may save something, is there: its end is everybody's. */
static gboolean
may_leave (DefcnRanks *ranks, gint64 now)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED =
      g_mutex_locker_new (&ranks->lock);
  const int who = speaker (ranks);
  const double farewell = MIN (FAREWELL, ranks->options.silence);

  if (!ranks->leaving || (ranks->failure && !ranks->told))
    return FALSE;
  return ranks->good || who == ranks->place.rank
      || now - ranks->seen[who] > farewell * G_USEC_PER_SEC;
}

static gboolean
join (DefcnRanks *ranks)
{
  ranks->link = ranks->transport->join (&ranks->place, &ranks->join_error);

  const gint64 now = g_get_monotonic_time ();
  ranks->seen = g_new (gint64, MAX (ranks->place.size, 1));
  for (int i = 0; i < ranks->place.size; i++)
    ranks->seen[i] = now;
  ranks->looked = now;
  g_mutex_lock (&ranks->lock);
  ranks->joined = TRUE;
  g_cond_broadcast (&ranks->changed);
  g_mutex_unlock (&ranks->lock);
  return ranks->link != NULL;
}

static gpointer
communicate (gpointer data)
{
  DefcnRanks *ranks = data;
  gint64 now = g_get_monotonic_time ();
  gboolean given_up = FALSE;

  if (!join (ranks))
    return NULL;
  while (!may_leave (ranks, now)) {
    begin_queued (ranks);
    const gboolean any = !has_failed (ranks) && move_on (ranks);
    now = g_get_monotonic_time ();
    listen_to_others (ranks, now);
    watch (ranks, now);
    tell (ranks);
    beat (ranks, now);
    given_up = give_up_if_due (ranks, now) || given_up;
    if (!any)
      pause_thread (ranks);
  }
  ranks->transport->leave (ranks->link, ranks->good);
  if (given_up)
    ranks->options.end ();
  return NULL;
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

static void
submit (DefcnRanks *ranks, Job *job)
{
  g_mutex_lock (&ranks->lock);
  g_queue_push_tail (&ranks->queue, job);
  g_cond_signal (&ranks->wake);
  g_mutex_unlock (&ranks->lock);
}

static gboolean
wait_for (DefcnRanks *ranks, const Job *job, GError **error)
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
run (DefcnRanks *ranks, const Job *what, gpointer result, gsize size,
    GError **error)
{
  Job *job = g_memdup2 (what, sizeof *what);

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
  const Job job = { .kind = JOB_GATHER,
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

  const Job job = { .kind = JOB_BROADCAST,
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

  Job *job = g_new0 (Job, 1);
  *job = (Job){ .kind = JOB_SUM, .data = data, .n = n };
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
    set_failure (ranks, sentence, -1, TRUE); /* all see it */
    const gboolean good = check (ranks, error);
    g_mutex_unlock (&ranks->lock);
    return good;
  }
  return TRUE;
}

void
defcn_ranks_fail (DefcnRanks *ranks, GError **error)
{
  if (!ranks)
    return;

  g_autofree char *sentence = g_strdup_printf ("%s: %s",
      defcn_ranks_name (ranks, ranks->place.rank), (*error)->message);
  g_mutex_lock (&ranks->lock);
  set_failure (ranks, sentence, -1, FALSE);
  g_clear_error (error);
  check (ranks, error);
  g_mutex_unlock (&ranks->lock);
}

gboolean
defcn_ranks_speaks (DefcnRanks *ranks)
{
  if (!ranks)
    return TRUE;

  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED =
      g_mutex_locker_new (&ranks->lock);
  return speaker (ranks) == ranks->place.rank;
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
    set_failure (ranks, sentence, -1, TRUE);
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
  Job *job;

  while ((job = g_queue_pop_head (jobs))) {
    if (job->kind == JOB_SUM)
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
  ranks->thread = g_thread_new ("defcn-ranks", communicate, ranks);
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
