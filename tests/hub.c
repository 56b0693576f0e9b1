/* Ranks as threads of one program. */
#include "hub.h"

#include <string.h>

typedef enum
{
  OP_SUM,
  OP_GATHER,
  OP_BROADCAST,
} OpKind;

/* What all ranks do together. */
typedef struct
{
  OpKind kind;
  gpointer data[HUB_MAX];
  gconstpointer mine[HUB_MAX];
  gsize n;
  int root, here; /* all are when it is done */
} Op;

typedef struct
{
  int to, from;
  DefcnNote note;
} Letter;

typedef struct
{
  int rank;
  guint next; /* op */
} Link;

static GMutex lock;
static GPtrArray *ops; /* of Op */
static GQueue letters; /* of Letter */
static int size, done, sums, left[2];
static gboolean muted[HUB_MAX];
static DefcnRanksOptions options[HUB_MAX];
static DefcnTransport transports[HUB_MAX];
static gboolean optioned[HUB_MAX];
static const char *versions[HUB_MAX];
static GPrivate playing;

static gpointer
join_as (int rank, DefcnStanding *place)
{
  Link *link = g_new0 (Link, 1);

  link->rank = rank;
  *place = (DefcnStanding){ rank, size, size };
  return link;
}

#define JOIN(rank)                                                             \
  static gpointer join_##rank (DefcnStanding *place, GError **error)           \
  {                                                                            \
    return join_as (rank, place);                                              \
  }
JOIN (0)
JOIN (1)
JOIN (2)
JOIN (3)
static gpointer (*const joins[HUB_MAX]) (DefcnStanding *place,
    GError **error) = { join_0, join_1, join_2, join_3 };

static void
finish (Op *op)
{
  const int last = size - 1;

  done++;
  for (int r = 0; op->kind == OP_GATHER && r < size; r++)
    for (int i = 0; i < size; i++)
      memcpy ((char *) op->data[r] + i * op->n, op->mine[i], op->n);
  for (int r = 0; op->kind == OP_BROADCAST && r < size; r++)
    if (r != op->root)
      memcpy (op->data[r], op->data[op->root], op->n);
  if (op->kind != OP_SUM)
    return;
  for (gsize k = 0; k < op->n; k++) {
    float sum = 0;

    for (int r = 0; r < size; r++)
      sum += ((float *) op->data[r])[k];
    ((float *) op->data[last])[k] = sum;
  }
  for (int r = 0; r < last; r++)
    memcpy (op->data[r], op->data[last], op->n * sizeof (float));
}

/* The op that this rank comes to next; those who come know the same of it. */
static gpointer
come (Link *link, OpKind kind, gpointer data, gconstpointer mine, gsize n,
    int root)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&lock);

  if (link->next == ops->len)
    g_ptr_array_add (ops, g_new0 (Op, 1));
  Op *op = ops->pdata[link->next++];
  if (op->here == 0) {
    op->kind = kind;
    op->n = n;
    op->root = root;
  }
  g_assert_cmpint (op->kind, ==, kind);
  g_assert_cmpuint (op->n, ==, n);
  g_assert_cmpint (op->root, ==, root);
  op->data[link->rank] = data;
  op->mine[link->rank] = mine;
  sums += kind == OP_SUM;
  if (++op->here == size)
    finish (op);
  return op;
}

static gpointer
hub_sum (gpointer link, float *data, gsize n)
{
  return come (link, OP_SUM, data, NULL, n, 0);
}

static gpointer
hub_gather (gpointer link, void *all, const void *mine, gsize n)
{
  return come (link, OP_GATHER, all, mine, n, 0);
}

static gpointer
hub_broadcast (gpointer link, int root, void *data, gsize n)
{
  return come (link, OP_BROADCAST, data, NULL, n, root);
}

static gboolean
hub_test (gpointer link, gpointer request)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&lock);
  const Op *op = request;

  return op->here == size;
}

static void
hub_send (gpointer data, int to, const DefcnNote *note)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&lock);
  const Link *link = data;

  if (muted[link->rank])
    return;
  Letter *letter = g_new (Letter, 1);
  *letter = (Letter){ to, link->rank, *note };
  g_queue_push_tail (&letters, letter);
}

static gboolean
hub_receive (gpointer data, int *from, DefcnNote *note)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&lock);
  const Link *link = data;

  for (GList *l = letters.head; l; l = l->next) {
    Letter *letter = l->data;

    if (letter->to != link->rank)
      continue;
    *from = letter->from;
    *note = letter->note;
    g_free (letter);
    g_queue_delete_link (&letters, l);
    return TRUE;
  }
  return FALSE;
}

static void
hub_leave (gpointer data, gboolean good)
{
  g_mutex_lock (&lock);
  left[good]++;
  g_mutex_unlock (&lock);
  g_free (data);
}

static const DefcnTransport plain = { .name = "hub",
  .version = DEFCN_VERSION,
  .sum = hub_sum,
  .gather = hub_gather,
  .broadcast = hub_broadcast,
  .test = hub_test,
  .send = hub_send,
  .receive = hub_receive,
  .leave = hub_leave };

typedef struct
{
  int rank;
  void (*play) (DefcnRanks *ranks, gpointer data);
  gpointer data;
} Player;

static gpointer
play_rank (gpointer data)
{
  const Player *player = data;
  const int rank = player->rank;
  DefcnRanksOptions own = defcn_ranks_defaults;

  g_private_set (&playing, GINT_TO_POINTER (rank + 1));
  own.silence = HUB_PATIENCE;
  transports[rank] = plain;
  transports[rank].join = joins[rank];
  if (versions[rank])
    transports[rank].version = versions[rank];
  player->play (defcn_ranks_new (&transports[rank],
                    optioned[rank] ? &options[rank] : &own, NULL),
      player->data);
  return NULL;
}

void
hub_run (int n, void (*play) (DefcnRanks *ranks, gpointer data), gpointer data)
{
  Player players[HUB_MAX];
  GThread *threads[HUB_MAX];

  g_assert_cmpint (n, <=, HUB_MAX);
  ops = g_ptr_array_new_with_free_func (g_free);
  size = n;
  done = sums = left[0] = left[1] = 0;
  memset (muted, 0, sizeof muted);
  for (int i = 0; i < n; i++) {
    players[i] = (Player){ i, play, data };
    threads[i] = g_thread_new ("rank", play_rank, &players[i]);
  }
  for (int i = 0; i < n; i++)
    g_thread_join (threads[i]);
  g_ptr_array_unref (ops);
  g_queue_clear_full (&letters, g_free);
  memset (optioned, 0, sizeof optioned);
  memset (versions, 0, sizeof versions);
}

void
hub_set_options (int rank, const DefcnRanksOptions *new_options)
{
  options[rank] = *new_options;
  optioned[rank] = TRUE;
}

void
hub_set_version (int rank, const char *version)
{
  versions[rank] = version;
}

void
hub_mute (int rank)
{
  g_mutex_lock (&lock);
  muted[rank] = TRUE;
  g_mutex_unlock (&lock);
}

int
hub_rank (void)
{
  return GPOINTER_TO_INT (g_private_get (&playing)) - 1;
}

static int
read_locked (const int *number)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&lock);

  return *number;
}

int
hub_done (void)
{
  return read_locked (&done);
}

int
hub_sums (void)
{
  return read_locked (&sums);
}

int
hub_left (gboolean good)
{
  return read_locked (&left[good != 0]);
}
