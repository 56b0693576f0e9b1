/* Where in a checkpoint the weights are. */
#include "state.h"

#include <string.h>

#define MAX_DEPTH 16

/* First parts of names that networks have by themselves. */
static const char *const own_parts[] = { "head", "features", "bottom_up",
  "layer1", "layer2", "layer3", "layer4", "stem", "res2", "res3", "res4",
  "res5" };

/* What programs put before them. */
static const char *const wrappers[] = { "module", "model", "_orig_mod", "net",
  "network", "ema", "ema_model" };

typedef struct
{
  DefcnStateFunc is;
  gboolean ema;
  GHashTable *seen; /* of DefcnPickleValue: a value may hold itself */
  GPtrArray *way;   /* of char *: the keys down to here */
  const DefcnPickleValue *best;
  guint best_count;
  gboolean best_wanted; /* as to its average */
  char *place;
} Search;

static gboolean
has_part (const char *key, const char *part)
{
  g_autofree char *lower = g_ascii_strdown (key, -1);

  return strstr (lower, part) != NULL;
}

/* Whether a key on the way is that of averaged weights. */
static gboolean
is_average (const Search *search)
{
  for (guint i = 0; i < search->way->len; i++)
    if (has_part (search->way->pdata[i], "ema"))
      return TRUE;
  return FALSE;
}

static guint
count_tensors (const Search *search, const DefcnPickleValue *dict)
{
  const DefcnPickleValue *key, *value;
  guint n = 0;

  for (guint i = 0; defcn_pickle_value_entry (dict, i, &key, &value); i++)
    n += key->type == DEFCN_PICKLE_STRING && search->is (value);
  return n;
}

static void
consider (Search *search, const DefcnPickleValue *dict)
{
  const guint count = count_tensors (search, dict);
  const gboolean wanted = !is_average (search) == !search->ema;

  if (count == 0
      || (search->best
          && (search->best_wanted > wanted
              || (search->best_wanted == wanted
                  && search->best_count >= count))))
    return;
  search->best = dict;
  search->best_count = count;
  search->best_wanted = wanted;
  g_free (search->place);
  g_ptr_array_add (search->way, NULL);
  search->place = g_strjoinv (".", (char **) search->way->pdata);
  g_ptr_array_set_size (search->way, search->way->len - 1);
}

/* Whether there may be a dict of tensors in @value. */
static gboolean
is_container (const DefcnPickleValue *value)
{
  return value
      && (value->type == DEFCN_PICKLE_DICT || value->type == DEFCN_PICKLE_OBJECT
          || value->type == DEFCN_PICKLE_LIST
          || value->type == DEFCN_PICKLE_TUPLE);
}

static void visit (Search *search, const DefcnPickleValue *value);

/* What is in a list or tuple; its numbers are part of the way. */
static void
visit_items (Search *search, const DefcnPickleValue *list)
{
  for (guint i = 0; i < defcn_pickle_value_count (list); i++) {
    const DefcnPickleValue *below = defcn_pickle_value_at (list, i);

    if (!is_container (below))
      continue;
    g_autofree char *name = g_strdup_printf ("%u", i);
    g_ptr_array_add (search->way, name);
    visit (search, below);
    g_ptr_array_set_size (search->way, search->way->len - 1);
  }
}

static void
visit (Search *search, const DefcnPickleValue *value)
{
  const DefcnPickleValue *key, *below;

  if (!value || search->way->len > MAX_DEPTH || search->is (value)
      || !g_hash_table_add (search->seen, (gpointer) value))
    return;
  consider (search, value);
  if (value->type == DEFCN_PICKLE_LIST || value->type == DEFCN_PICKLE_TUPLE)
    visit_items (search, value);
  for (guint i = 0; defcn_pickle_value_entry (value, i, &key, &below); i++) {
    if (key->type != DEFCN_PICKLE_STRING || !is_container (below))
      continue;
    char *name = g_strndup (key->str, MIN (key->len, 100));
    const gboolean other = has_part (name, "optim");

    g_ptr_array_add (search->way, name);
    if (!other)
      visit (search, below);
    g_ptr_array_set_size (search->way, search->way->len - 1);
    g_free (name);
  }
  if (value->type == DEFCN_PICKLE_OBJECT)
    visit (search, value->state);
}

const DefcnPickleValue *
defcn_state_find (char **place, const DefcnPickleValue *root, DefcnStateFunc is,
    gboolean ema)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);
  g_autoptr (GPtrArray) way = g_ptr_array_new ();
  Search search = { .is = is, .ema = ema, .seen = seen, .way = way };

  visit (&search, root);
  if (search.place && !search.place[0])
    g_clear_pointer (&search.place, g_free);
  *place = search.place;
  return search.best;
}

static gboolean
is_one_of (const char *const *names, gsize n, const char *part, gsize len)
{
  for (gsize i = 0; i < n; i++)
    if (strlen (names[i]) == len && memcmp (names[i], part, len) == 0)
      return TRUE;
  return FALSE;
}

/* Whether @key begins with the @len bytes @prefix and goes on; @dotted: to a
 * name that still has a dot. */
static gboolean
has_prefix (const DefcnPickleValue *key, const char *prefix, gsize len,
    gboolean dotted)
{
  return key->len > len && memcmp (key->str, prefix, len) == 0
      && (!dotted || memchr (key->str + len, '.', key->len - len));
}

/* Whether @text is what @key has at @skip. */
static gboolean
has_prefix_text (const DefcnPickleValue *key, gsize skip, const char *text)
{
  const gsize len = strlen (text);

  return key->len >= skip + len && memcmp (key->str + skip, text, len) == 0;
}

/* The first part of a name, with its dot, behind @skip bytes of it. */
static gsize
first_part (const DefcnPickleValue *key, gsize skip)
{
  const char *dot =
      key->len > skip ? memchr (key->str + skip, '.', key->len - skip) : NULL;

  return dot ? (gsize) (dot - key->str) + 1 : 0;
}

/* Whether @key has a network's own part behind @skip bytes of it, of @len bytes
 * with its dot: "backbone" is one where a feature pyramid is in it. */
static gboolean
is_own (const DefcnPickleValue *key, gsize skip, gsize len)
{
  const gsize end = skip + len;

  if (is_one_of (own_parts, G_N_ELEMENTS (own_parts), key->str + skip, len - 1))
    return TRUE;
  return len == strlen ("backbone.")
      && memcmp (key->str + skip, "backbone.", len) == 0
      && (has_prefix_text (key, end, "bottom_up.")
          || has_prefix_text (key, end, "fpn_"));
}

gsize
defcn_state_prefix (const DefcnPickleValue *dict, DefcnStateFunc is)
{
  const DefcnPickleValue *key, *value, *first = NULL;
  gsize skip = 0;

  for (guint i = 0; !first && defcn_pickle_value_entry (dict, i, &key, &value);
       i++)
    if (key->type == DEFCN_PICKLE_STRING && is (value))
      first = key;
  for (;;) {
    const gsize end = first ? first_part (first, skip) : 0;

    if (end == 0 || is_own (first, skip, end - skip))
      return skip;
    const gboolean dotted = !is_one_of (wrappers, G_N_ELEMENTS (wrappers),
        first->str + skip, end - skip - 1);
    for (guint i = 0; defcn_pickle_value_entry (dict, i, &key, &value); i++)
      if (key->type == DEFCN_PICKLE_STRING && is (value)
          && !has_prefix (key, first->str, end, dotted))
        return skip;
    skip = end;
  }
}
