/* The categories of a COCO file: which of them become classes. */
#include "coco_categories.h"

#include "list.h"
#include "text_tree.h"

struct _DefcnCocoCategories
{
  DefcnDataset *dataset;
  char **wanted; /* NULL: all */
  GArray *all;   /* of DefcnCocoCategory */
};

static void
clear_category (gpointer data)
{
  DefcnCocoCategory *category = data;

  g_free (category->name);
  g_free (category->super);
}

DefcnCocoCategories *
defcn_coco_categories_new (DefcnDataset *dataset, const char *wanted)
{
  DefcnCocoCategories *c = g_new (DefcnCocoCategories, 1);

  c->dataset = dataset;
  c->wanted = wanted ? defcn_list_split (wanted) : NULL;
  c->all = g_array_new (FALSE, FALSE, sizeof (DefcnCocoCategory));
  g_array_set_clear_func (c->all, clear_category);
  return c;
}

void
defcn_coco_categories_free (DefcnCocoCategories *c)
{
  g_strfreev (c->wanted);
  g_array_unref (c->all);
  g_free (c);
}

static gboolean
is_wanted (const DefcnCocoCategories *c, const char *name)
{
  return !c->wanted || g_strv_contains ((const char *const *) c->wanted, name);
}

gboolean
defcn_coco_categories_add (DefcnCocoCategories *c, gint64 id, const char *name,
    const char *super, GError **error)
{
  DefcnCocoCategory category = { .id = id };

  if (!defcn_dataset_is_label (name)) {
    g_autofree char *text = defcn_dataset_id (c->dataset, id);

    return defcn_dataset_fail (error, c->dataset,
        "category %s has no \"name\" of 1 .. %d bytes of UTF-8 without "
        "control characters",
        text, DEFCN_DATASET_MAX_LABEL);
  }
  category.name = g_strdup (name);
  category.super = g_strdup (super);
  category.label = is_wanted (c, name) ? 0 : -1;
  g_array_append_val (c->all, category);
  return TRUE;
}

static int
by_id (gconstpointer a, gconstpointer b)
{
  const DefcnCocoCategory *p = a, *q = b;

  return (p->id > q->id) - (p->id < q->id);
}

/* Whether every class that was asked for is there. */
static gboolean
check_wanted (const DefcnCocoCategories *c, GError **error)
{
  for (guint k = 0; c->wanted && c->wanted[k]; k++) {
    if (!g_ptr_array_find_with_equal_func (c->dataset->labels, c->wanted[k],
            g_str_equal, NULL))
      return defcn_dataset_fail (error, c->dataset,
          "no category \"%s\", which classes names", c->wanted[k]);
  }
  return TRUE;
}

/* Makes category @i one with the first of its name, among @names, or a class of
 * its own. */
static void
number (DefcnCocoCategories *c, GTree *names, guint i)
{
  DefcnDataset *dataset = c->dataset;
  DefcnCocoCategory *category = &g_array_index (c->all, DefcnCocoCategory, i);
  gpointer first;

  category->first = i;
  if (category->label < 0) {
    g_ptr_array_add (dataset->left_out, g_strdup (category->name));
  } else if (g_tree_lookup_extended (names, category->name, NULL, &first)) {
    category->first = GPOINTER_TO_UINT (first);
    category->label = -1;
    g_autofree char *a = defcn_dataset_id (dataset,
        g_array_index (c->all, DefcnCocoCategory, category->first).id);
    g_autofree char *b = defcn_dataset_id (dataset, category->id);
    defcn_dataset_remark (dataset,
        g_strdup_printf ("categories %s and %s are one class, %s", a, b,
            category->name));
  } else {
    g_tree_insert (names, category->name, GUINT_TO_POINTER (i));
    category->label = dataset->labels->len;
    g_array_append_val (dataset->category_ids, category->id);
    g_ptr_array_add (dataset->labels, g_strdup (category->name));
  }
}

gboolean
defcn_coco_categories_index (DefcnCocoCategories *c, GError **error)
{
  g_autoptr (GTree) names = defcn_text_tree_new (NULL, NULL);

  if (c->all->len == 0)
    return defcn_dataset_fail (error, c->dataset, "no categories");
  g_array_sort (c->all, by_id);
  for (guint i = 0; i < c->all->len; i++) {
    DefcnCocoCategory *category = &g_array_index (c->all, DefcnCocoCategory, i);

    if (i > 0 && category[-1].id == category->id) {
      g_autofree char *id = defcn_dataset_id (c->dataset, category->id);

      return defcn_dataset_fail (error, c->dataset,
          "category %s is there twice", id);
    }
    number (c, names, i);
  }
  return check_wanted (c, error);
}

DefcnCocoCategory *
defcn_coco_categories_find (DefcnCocoCategories *c, gint64 id)
{
  DefcnCocoCategory *all = (DefcnCocoCategory *) c->all->data;
  guint low = 0, high = c->all->len;

  while (low < high) {
    const guint middle = low + (high - low) / 2;

    if (all[middle].id == id)
      return &all[all[middle].first];
    if (all[middle].id < id)
      low = middle + 1;
    else
      high = middle;
  }
  return NULL;
}

/* What categories call themselves kinds of, other than of themselves. */
static GTree *
find_supers (const DefcnCocoCategories *c)
{
  GTree *supers = defcn_text_tree_new (NULL, NULL);

  for (guint i = 0; i < c->all->len; i++) {
    const DefcnCocoCategory *category =
        &g_array_index (c->all, DefcnCocoCategory, i);

    if (category->super && !g_str_equal (category->super, category->name))
      g_tree_insert (supers, category->super, category->super);
  }
  return supers;
}

void
defcn_coco_categories_remove_roots (DefcnCocoCategories *c)
{
  g_autoptr (GTree) supers = find_supers (c);
  guint left = c->dataset->labels->len;
  g_autofree gboolean *gone = g_new0 (gboolean, left + 1);
  const guint all = left;

  for (guint i = c->all->len; i-- > 0 && left > 1;) {
    const DefcnCocoCategory *category =
        &g_array_index (c->all, DefcnCocoCategory, i);

    if (category->label < 0 || category->n > 0
        || !g_tree_lookup (supers, category->name))
      continue;
    gone[category->label] = TRUE;
    left--;
    g_ptr_array_add (c->dataset->left_out, g_strdup (category->name));
  }
  if (left < all)
    defcn_dataset_remove_classes (c->dataset, gone);
}
