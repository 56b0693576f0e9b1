/* Several sets of annotated images as one, and a part of them held out. */
#include "sets.h"

#include "annotations.h"
#include "error.h"
#include "list.h"

/* An empty set that is like @like in all but what is in it. */
static DefcnDataset *
empty_like (const DefcnDataset *like)
{
  DefcnDataset *set = g_new0 (DefcnDataset, 1);

  set->path = g_strdup (like->path);
  set->image_dir = g_strdup (like->image_dir);
  set->crowdhuman = like->crowdhuman;
  set->samples = g_ptr_array_new_with_free_func (g_free);
  set->labels = g_ptr_array_ref (like->labels);
  set->category_ids = g_array_ref (like->category_ids);
  set->polygons = like->polygons;
  set->absolute_names = like->absolute_names;
  set->picture = like->picture;
  if (like->odd_ids)
    set->odd_ids = g_hash_table_ref (like->odd_ids);
  return set;
}

/* Moves every @every-th image of @set to a new one, which shares what both
 * only read. */
static DefcnDataset *
hold_out (DefcnDataset *set, guint every)
{
  DefcnDataset *held = empty_like (set);
  GPtrArray *all = set->samples;

  held->packed = set->packed ? g_byte_array_ref (set->packed) : NULL;
  set->samples = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < all->len; i++)
    g_ptr_array_add (i % every == every - 1 ? held->samples : set->samples,
        all->pdata[i]);
  g_ptr_array_set_free_func (all, NULL);
  g_ptr_array_unref (all);
  return held;
}

/* The class of @name in @whole, a new one where it has none; @index: its
 * names. */
static int
class_of (DefcnDataset *whole, GTree *index, const char *name)
{
  const guint at = GPOINTER_TO_UINT (g_tree_lookup (index, name));
  const gint64 id = whole->labels->len + 1;

  if (at > 0)
    return (int) at - 1;
  char *own = g_strdup (name);
  g_ptr_array_add (whole->labels, own);
  g_tree_insert (index, own, GSIZE_TO_POINTER (id));
  g_array_append_val (whole->category_ids, id);
  return id - 1;
}

static void
move_strings (GPtrArray *to, GPtrArray *from)
{
  if (from)
    g_ptr_array_extend_and_steal (to, g_ptr_array_ref (from));
}

/* The path of an image before its ending is known. */
static char *
image_name (const DefcnDataset *set, guint i)
{
  const DefcnSample *s = set->samples->pdata[i];

  return set->crowdhuman ? g_build_filename (set->image_dir, s->name, NULL)
                         : defcn_dataset_image_path (set, i);
}

/* Adds the images of @set; their names then begin with its folder. */
static gboolean
append (DefcnDataset *whole, const DefcnDataset *set, GError **error)
{
  g_autofree int *classes = g_new (int, set->labels->len);
  g_autoptr (GTree) index = defcn_dataset_index_labels (whole->labels);

  for (guint k = 0; k < set->labels->len; k++)
    classes[k] = class_of (whole, index, set->labels->pdata[k]);
  whole->n_empty += set->n_empty;
  whole->n_flat += set->n_flat;
  whole->n_damaged += set->n_damaged;
  whole->n_bad_images += set->n_bad_images;
  whole->n_orphans += set->n_orphans;
  move_strings (whole->damage, set->damage);
  move_strings (whole->remarks, set->remarks);
  move_strings (whole->left_out, set->left_out);
  for (guint i = 0; i < set->samples->len; i++) {
    const DefcnSample *s = set->samples->pdata[i];
    g_autofree char *name = image_name (set, i);
    g_autoptr (GArray) objects = defcn_dataset_objects (set, i);

    g_ptr_array_add (whole->samples,
        defcn_sample_new (whole->samples->len + 1, name, s->width, s->height));
    for (guint k = 0; k < objects->len; k++) {
      DefcnObject *o = &g_array_index (objects, DefcnObject, k);

      if (o->label >= 0)
        o->label = classes[o->label];
      if (defcn_dataset_add (whole, whole->samples->len - 1, o))
        continue;
      g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
          "%s: more objects than one set can have", set->path);
      return FALSE;
    }
  }
  return TRUE;
}

/* @sets as one; one alone is itself.  Takes what is in @sets. */
static DefcnDataset *
join (GPtrArray *sets, const char *path, const DefcnReadOptions *options,
    GError **error)
{
  if (sets->len == 1)
    return g_ptr_array_steal_index (sets, 0);

  const DefcnDataset *first = sets->pdata[0];
  g_autoptr (DefcnDataset) whole = defcn_dataset_new (path, "", options);
  whole->crowdhuman = first->crowdhuman;
  whole->absolute_names = TRUE; /* names are paths, and were checked */
  for (guint i = 0; i < sets->len; i++) {
    const DefcnDataset *set = sets->pdata[i];

    if (set->crowdhuman != first->crowdhuman) {
      g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
          "%s and %s: CrowdHuman's files and COCO's do not go together",
          first->path, set->path);
      return NULL;
    }
    if (!append (whole, set, error))
      return NULL;
  }
  return g_steal_pointer (&whole);
}

static gboolean
check (guint n_files, guint n_folders, GError **error)
{
  if (n_files > 0 && n_files == n_folders)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "%u annotation files and %u folders of images: every file needs its own",
      n_files, n_folders);
  return FALSE;
}

DefcnDataset *
defcn_sets_open (DefcnDataset **held, const char *annotations,
    const char *images, guint every, const DefcnReadOptions *options,
    GError **error)
{
  g_auto (GStrv) files = defcn_list_split (annotations);
  g_auto (GStrv) folders = defcn_list_split (images);
  const GDestroyNotify free_set = (GDestroyNotify) defcn_dataset_free;
  g_autoptr (GPtrArray) sets = g_ptr_array_new_with_free_func (free_set);
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func (free_set);

  *held = NULL;
  if (!options)
    options = &defcn_read_defaults;
  if (!check (g_strv_length (files), g_strv_length (folders), error))
    return NULL;
  for (guint i = 0; files[i]; i++) {
    DefcnDataset *set =
        defcn_annotations_open (files[i], folders[i], options, error);

    if (!set)
      return NULL;
    g_ptr_array_add (sets, set);
    if (every > 0)
      g_ptr_array_add (parts, hold_out (set, every));
  }

  g_autoptr (DefcnDataset) part =
      every > 0 ? join (parts, annotations, options, error) : NULL;
  if (every > 0 && !part)
    return NULL;
  if (part && part->samples->len == 0) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: no set has %u images to hold one out", annotations, every);
    return NULL;
  }

  DefcnDataset *whole = join (sets, annotations, options, error);
  if (whole)
    *held = g_steal_pointer (&part);
  return whole;
}
