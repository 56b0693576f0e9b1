/* The thread of a rank: what is to be done together, signs of life, and one
 * failure that ends everybody. */
#include "talk.h"

#include <signal.h>
#include <string.h>

#define BEATS 5       /* signs of life within the time that makes one lost .. */
#define BEAT_MAX 1.0  /* .. and seconds between two at most */
#define BUSY_PAUSE 50 /* microseconds between two looks at what is under way */
#define IDLE_PAUSE 2000
#define FAREWELL 5.0 /* seconds, at most, without the one who speaks at last */

void
defcn_talk_set_failure (DefcnRanks *ranks, const char *sentence, int lost,
    gboolean told)
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

int
defcn_talk_speaker (const DefcnRanks *ranks)
{
  return ranks->lost == 0 ? 1 : 0;
}

static void
begin (DefcnRanks *ranks, DefcnJob *job)
{
  const DefcnTransport *t = ranks->transport;

  switch (job->kind) {
    case DEFCN_JOB_SUM:
      job->request = t->sum (ranks->link, job->data, job->n);
      break;
    case DEFCN_JOB_GATHER:
      job->request = t->gather (ranks->link, job->data, job->mine, job->n);
      break;
    case DEFCN_JOB_BROADCAST:
      job->request = t->broadcast (ranks->link, job->root, job->data, job->n);
      break;
  }
}

/* Takes what the caller has queued; after a failure nothing begins. */
static void
begin_queued (DefcnRanks *ranks)
{
  DefcnJob *job;

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
    DefcnJob *job = l->data;

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
    defcn_talk_set_failure (ranks, note.text, note.lost, TRUE);
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

  defcn_talk_set_failure (ranks, sentence, rank, FALSE);
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
  if (due && defcn_talk_speaker (ranks) == ranks->place.rank)
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
  const int who = defcn_talk_speaker (ranks);
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

gpointer
defcn_talk_run (gpointer data)
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
