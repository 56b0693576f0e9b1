/* Who sums gradients on GPUs: which module, whether all ranks have it, and
 * waiting that ends when a rank does. */
#include "collective.h"

#include "error.h"
#include "modules.h"
#include "reducer.h"

#include <gmodule.h>
#include <string.h>

#define PAUSE 50 /* microseconds between two looks at the device */

struct _DefcnCollective
{
  const DefcnReducer *reducer;
  gpointer link;
  DefcnRanks *ranks;
  DefcnBackend *be;
  gpointer side;
  GPtrArray *arrays; /* of float *, of one sum */
  GArray *lens;      /* gsize */
};

static const char *const words[] = { "auto", "mpi", "nccl" };

gboolean
defcn_reduce_parse (DefcnReduce *how, const char *word, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (g_str_equal (word, words[i])) {
      *how = (DefcnReduce) i;
      return TRUE;
    }
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "\"%s\" is no way to reduce, wanted auto, mpi or nccl", word);
  return FALSE;
}

/* The module's table, for as long as the process lives. */
static const DefcnReducer *
load_module (GError **error)
{
  g_autofree char *program = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *own = program ? g_path_get_dirname (program) : NULL;
  g_autofree char *path = defcn_modules_find ("libdefcn-nccl.so", own, "nccl");
  GModule *module = g_module_open (path, G_MODULE_BIND_LOCAL);
  const DefcnReducer *(*get) (void);
  gpointer symbol;

  if (!module || !g_module_symbol (module, "defcn_reducer", &symbol)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "the module for NCCL does not load, or was not built: %s",
        g_module_error ());
    g_clear_pointer (&module, g_module_close);
    return NULL;
  }
  memcpy (&get, &symbol, sizeof get);
  if (!g_str_equal (get ()->version, DEFCN_VERSION)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s is of version %s, the tool of " DEFCN_VERSION, path,
        get ()->version);
    g_module_close (module);
    return NULL;
  }
  g_module_make_resident (module);
  return get ();
}

/* What a rank brings along, the same in all of one version. */
typedef struct
{
  gint32 how;        /* DefcnReduce */
  gint32 has;        /* the library */
  char machine[64];  /* of the kernel that runs, whatever it calls itself */
  char device[64];   /* of that machine */
  char library[64];  /* "NCCL 2.28.9" */
  char reason[1024]; /* why it has none */
} Card;

static void
fill_card (Card *card, const DefcnReducer **reducer, DefcnBackend *be,
    DefcnReduce how)
{
  g_autoptr (GError) why = NULL;
  g_autofree char *machine = NULL, *about = NULL;
  g_autofree char *device = be->side->device (be);

  *card = (Card){ .how = how };
  if (g_file_get_contents ("/proc/sys/kernel/random/boot_id", &machine, NULL,
          NULL))
    g_strlcpy (card->machine, g_strchomp (machine), sizeof card->machine);
  else
    g_strlcpy (card->machine, g_get_host_name (), sizeof card->machine);
  g_strlcpy (card->device, device, sizeof card->device);
  if (how == DEFCN_REDUCE_MPI)
    return;
  *reducer = load_module (&why);
  card->has = *reducer && (*reducer)->load (&about, &why);
  if (card->has)
    g_strlcpy (card->library, about, sizeof card->library);
  else
    g_strlcpy (card->reason, why->message, sizeof card->reason);
}

/* (transfer full): why the ranks' GPUs do not sum, NULL if they can. */
static char *
find_obstacle (const Card *cards, const DefcnRanks *ranks)
{
  const int n = defcn_ranks_size (ranks);

  for (int i = 0; i < n; i++) {
    if (!cards[i].has)
      return g_strdup_printf ("%s has no NCCL: %s", defcn_ranks_name (ranks, i),
          cards[i].reason);
    if (!g_str_equal (cards[i].library, cards[0].library))
      return g_strdup_printf ("%s has %s, %s has %s",
          defcn_ranks_name (ranks, i), cards[i].library,
          defcn_ranks_name (ranks, 0), cards[0].library);
    for (int k = 0; k < i; k++)
      if (g_str_equal (cards[i].machine, cards[k].machine)
          && g_str_equal (cards[i].device, cards[k].device))
        return g_strdup_printf ("%s and %s have one GPU, %s, and NCCL wants "
                                "one for each",
            defcn_ranks_name (ranks, k), defcn_ranks_name (ranks, i),
            cards[i].device);
  }
  return NULL;
}

/* All ranks come to the same answer: *@use, and why not in *@obstacle. */
static gboolean
choose (gboolean *use, char **obstacle, char **library,
    const DefcnReducer **reducer, DefcnRanks *ranks, DefcnBackend *be,
    DefcnReduce how, GError **error)
{
  const gint32 mine = how;
  g_autofree Card *cards = g_new0 (Card, defcn_ranks_size (ranks));
  Card card;

  if (!defcn_ranks_agree (ranks, &mine, sizeof mine,
          "has another --reduce than rank 0", error))
    return FALSE;
  fill_card (&card, reducer, be, how);
  if (!defcn_ranks_gather (ranks, cards, &card, sizeof card, error))
    return FALSE;
  *use = FALSE;
  if (how == DEFCN_REDUCE_MPI)
    return TRUE;
  *obstacle = find_obstacle (cards, ranks);
  *use = *obstacle == NULL;
  *library = g_strdup (card.library);
  return TRUE;
}

/* Ends what is under way, after a failure of the ranks or of this one, @own
 * (transfer full, or NULL).  The ranks are told first: should it not end, they
 * do. */
static gboolean
give_up (DefcnCollective *c, GError *own, GError **error)
{
  if (own)
    defcn_ranks_tell (c->ranks, own);
  g_clear_error (&own);
  if (c->link)
    c->reducer->leave (c->link, FALSE);
  c->link = NULL;
  return defcn_ranks_check (c->ranks, error);
}

/* Waits until the reducer may go on, or a rank has failed. */
static gboolean
settle (DefcnCollective *c, GError **error)
{
  for (;;) {
    GError *own = NULL;
    const DefcnReducerState state = c->reducer->state (c->link, &own);

    if (state == DEFCN_REDUCER_READY)
      return TRUE;
    /* who has gone knows more: what it says comes first */
    if (state == DEFCN_REDUCER_PARTED && defcn_ranks_await_failure (c->ranks))
      g_clear_error (&own);
    if (state != DEFCN_REDUCER_BUSY || defcn_ranks_has_failed (c->ranks))
      return give_up (c, own, error);
    g_usleep (PAUSE);
  }
}

static gboolean
join (DefcnCollective *c, GError **error)
{
  guint8 id[DEFCN_REDUCER_ID] = { 0 };
  const int rank = defcn_ranks_rank (c->ranks);
  GError *own = NULL;

  if (rank == 0 && !c->reducer->make_id (id, &own))
    return give_up (c, own, error);
  if (!defcn_ranks_broadcast (c->ranks, 0, id, sizeof id, error))
    return FALSE;
  c->side = c->be->side->open (c->be, &own);
  if (c->side)
    c->link = c->reducer->join (id, rank, defcn_ranks_size (c->ranks), &own);
  return c->link ? settle (c, error) : give_up (c, own, error);
}

static DefcnCollective *
create (const DefcnReducer *reducer, DefcnRanks *ranks, DefcnBackend *be,
    GError **error)
{
  DefcnCollective *c = g_new0 (DefcnCollective, 1);

  c->reducer = reducer;
  c->ranks = ranks;
  c->be = be;
  c->arrays = g_ptr_array_new ();
  c->lens = g_array_new (FALSE, FALSE, sizeof (gsize));
  if (join (c, error))
    return c;
  defcn_collective_free (c, FALSE);
  return NULL;
}

gboolean
defcn_collective_open (DefcnCollective **collective, char **about,
    DefcnRanks *ranks, DefcnBackend *be, DefcnReduce how, GError **error)
{
  g_autofree char *obstacle = NULL, *library = NULL;
  const DefcnReducer *reducer = NULL;
  gboolean use;

  *collective = NULL;
  *about = NULL;
  if (!ranks)
    return TRUE;
  if (!be->side) {
    if (how != DEFCN_REDUCE_NCCL)
      return TRUE;
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "--reduce=nccl is for GPUs, this is device \"%s\"", be->name);
    return FALSE;
  }
  if (!choose (&use, &obstacle, &library, &reducer, ranks, be, how, error))
    return FALSE;
  if (!use && how == DEFCN_REDUCE_NCCL) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE, "--reduce=nccl: %s",
        obstacle);
    return FALSE;
  }
  if (!use) {
    *about = g_strdup_printf ("gradients are summed by MPI, through pinned "
                              "memory of the host%s%s",
        obstacle ? ": " : "", obstacle ? obstacle : "");
    return TRUE;
  }
  *collective = create (reducer, ranks, be, error);
  if (!*collective)
    return FALSE;
  *about = g_strdup_printf ("gradients are summed on the GPUs by %s", library);
  return TRUE;
}

void
defcn_collective_free (DefcnCollective *c, gboolean good)
{
  if (!c)
    return;
  /* the others may have much to do still */
  good = good && c->link && defcn_ranks_barrier (c->ranks, NULL)
      && c->reducer->finish (c->link, NULL) && settle (c, NULL);
  if (c->link)
    c->reducer->leave (c->link, good);
  c->be->side->free (c->be, c->side);
  g_ptr_array_unref (c->arrays);
  g_array_unref (c->lens);
  g_free (c);
}

gboolean
defcn_collective_sum (DefcnCollective *c, DefcnTensor *const *params, guint n,
    GError **error)
{
  const DefcnSide *side = c->be->side;
  GError *own = NULL;
  gsize sum = 0;

  if (!c->link)
    return defcn_ranks_check (c->ranks, error);
  if (n == 0)
    return TRUE;
  g_ptr_array_set_size (c->arrays, 0);
  g_array_set_size (c->lens, 0);
  for (guint i = 0; i < n; i++) {
    const gsize len = defcn_tensor_len (params[i]);

    g_ptr_array_add (c->arrays, params[i]->grad);
    g_array_append_val (c->lens, len);
    sum += len;
  }
  side->fork (c->be, c->side);
  defcn_ranks_note (c->ranks, 0, sum * sizeof (float));
  return c->reducer->sum (c->link, (float *const *) c->arrays->pdata,
             (const gsize *) (gpointer) c->lens->data, n,
             side->stream (c->be, c->side), &own)
      ? settle (c, error)
      : give_up (c, own, error);
}

gboolean
defcn_collective_wait (DefcnCollective *c, GError **error)
{
  const DefcnSide *side = c->be->side;
  gint64 since = 0;
  DefcnSideState state;

  if (!c->link)
    return defcn_ranks_check (c->ranks, error);
  side->join (c->be, c->side);
  while ((state = side->state (c->be, c->side)) != DEFCN_SIDE_DONE) {
    if (state == DEFCN_SIDE_BUSY && since == 0)
      since = g_get_monotonic_time ();
    if (defcn_ranks_has_failed (c->ranks))
      return give_up (c, NULL, error);
    if (!settle (c, error))
      return FALSE;
    g_usleep (PAUSE);
  }
  if (since > 0)
    defcn_ranks_note (c->ranks, (g_get_monotonic_time () - since) * 1e-6, 0);
  return settle (c, error);
}
