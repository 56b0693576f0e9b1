/* The thread that does all the talking of a rank, and what it shares with the
 * caller's: for ranks.c alone.
 *
 * Thread rule: as the lock says.
 */
#pragma once

#include "options.h"
#include "transport.h"

G_BEGIN_DECLS

typedef enum
{
  DEFCN_JOB_SUM,
  DEFCN_JOB_GATHER,
  DEFCN_JOB_BROADCAST,
} DefcnJobKind;

/* Something that all ranks do together. */
typedef struct
{
  DefcnJobKind kind;
  gpointer data;
  gconstpointer mine;
  gsize n; /* floats of a sum, else bytes */
  int root;
  gpointer request; /* NULL before it has begun */
  gboolean done;
} DefcnJob;

struct _DefcnRanks
{
  const DefcnTransport *transport;
  DefcnRanksOptions options;
  DefcnStanding place;
  gpointer link;
  GThread *thread;
  char **names;    /* of the ranks, after they have met */
  GPtrArray *sums; /* of DefcnJob: begun and not waited for */
  double waited;
  guint64 summed;

  /* Of the thread. */
  GQueue active; /* of DefcnJob */
  gint64 *seen;  /* when each rank was heard of */
  gint64 beaten, looked;
  int stop_told;

  GMutex lock;
  GCond wake, changed;
  GQueue queue; /* of DefcnJob, for the thread */
  gboolean joined, leaving, good;
  GError *join_error;
  char *failure;    /* the sentence, NULL: all is well */
  int lost;         /* rank that it says is silent, or -1 */
  gboolean told;    /* all others know it, or need not be told */
  gboolean noticed; /* so does the caller */
  gint64 failed_at;
};

/* The first failure is the one that counts; the lock is held.  @lost: the rank
 * that is silent, or -1.  @told: the others have it too. */
void defcn_talk_set_failure (DefcnRanks *ranks, const char *sentence, int lost,
    gboolean told);

/* The rank that says it: the first that can. */
int defcn_talk_speaker (const DefcnRanks *ranks);

/* What the thread does, with the ranks for @data. */
gpointer defcn_talk_run (gpointer data);

G_END_DECLS
