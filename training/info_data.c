/* `defcn info` of an annotation file: what there is to train on and to
 * evaluate. */
#include "info_data.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "data/annotations.h"

typedef struct
{
  const DefcnDataset *data;
  guint n_objects, n_crowd, n_ignored, n_trainable;
  guint most;        /* objects on one image */
  guint *of_classes; /* trainable or evaluated objects of each class */
} Summary;

static void
count (Summary *s, const DefcnDataset *data)
{
  g_autoptr (GArray) trainable = defcn_dataset_trainable (data, FALSE);

  s->data = data;
  s->n_trainable = trainable->len;
  s->of_classes = g_new0 (guint, MAX (data->labels->len, 1));
  for (guint i = 0; i < data->samples->len; i++) {
    g_autoptr (GArray) objects = defcn_dataset_objects (data, i);

    s->n_objects += objects->len;
    s->most = MAX (s->most, objects->len);
    for (guint k = 0; k < objects->len; k++) {
      const DefcnObject *o = &g_array_index (objects, DefcnObject, k);

      s->n_crowd += o->crowd;
      s->n_ignored += o->label < 0;
      if (o->label >= 0 && !o->crowd)
        s->of_classes[o->label]++;
    }
  }
}

static void
print_text (const Summary *s)
{
  const DefcnDataset *data = s->data;

  g_print ("file        %s\n", data->path);
  g_print ("images      %u, %u of them to train on\n", data->samples->len,
      s->n_trainable);
  g_print ("objects     %u, at most %u on an image\n", s->n_objects, s->most);
  if (s->n_crowd)
    g_print ("crowd       %u regions\n", s->n_crowd);
  if (s->n_ignored)
    g_print ("ignored     %u regions\n", s->n_ignored);
  if (data->n_empty)
    g_print ("no area     %u boxes\n", data->n_empty);
  if (data->n_flat)
    g_print ("flat        %u objects with polygons of no three points\n",
        data->n_flat);
  if (data->n_bad_images)
    g_print ("bad images  %u, skipped\n", data->n_bad_images);
  if (data->n_damaged)
    g_print ("damaged     %u annotations, skipped\n", data->n_damaged);
  if (data->n_orphans)
    g_print ("orphans     %u annotations of no image or category, skipped\n",
        data->n_orphans);
  for (guint i = 0; i < data->damage->len; i++)
    g_print ("  %s\n", (const char *) data->damage->pdata[i]);
  for (guint i = 0; i < data->remarks->len; i++)
    g_print ("note        %s\n", (const char *) data->remarks->pdata[i]);
  for (guint i = 0; i < data->left_out->len; i++)
    g_print ("no class    %s, which nothing is annotated with\n",
        (const char *) data->left_out->pdata[i]);
  g_print ("classes     %u\n", data->labels->len);
  for (guint i = 0; i < data->labels->len; i++)
    g_print ("  %8u  %s\n", s->of_classes[i],
        (const char *) data->labels->pdata[i]);
}

static void
print_json (const Summary *s)
{
  const DefcnDataset *data = s->data;
  cJSON *object = cJSON_CreateObject ();

  cJSON_AddStringToObject (object, "file", data->path);
  cJSON_AddNumberToObject (object, "images", data->samples->len);
  cJSON_AddNumberToObject (object, "trainable_images", s->n_trainable);
  cJSON_AddNumberToObject (object, "objects", s->n_objects);
  cJSON_AddNumberToObject (object, "most_on_an_image", s->most);
  cJSON_AddNumberToObject (object, "crowd", s->n_crowd);
  cJSON_AddNumberToObject (object, "ignored", s->n_ignored);
  cJSON_AddNumberToObject (object, "without_area", data->n_empty);
  cJSON_AddNumberToObject (object, "flat", data->n_flat);
  cJSON_AddNumberToObject (object, "bad_images", data->n_bad_images);
  cJSON_AddNumberToObject (object, "damaged", data->n_damaged);
  cJSON_AddNumberToObject (object, "orphans", data->n_orphans);
  cJSON *classes = cJSON_AddObjectToObject (object, "classes");
  for (guint i = 0; i < data->labels->len; i++)
    cJSON_AddNumberToObject (classes, data->labels->pdata[i], s->of_classes[i]);

  char *text = cJSON_Print (object);
  g_print ("%s\n", text);
  cJSON_free (text);
  cJSON_Delete (object);
}

gboolean
defcn_info_is_data (const char *path)
{
  return g_str_has_suffix (path, ".json") || g_str_has_suffix (path, ".odgt");
}

gboolean
defcn_info_data (const char *path, gboolean json, GError **error)
{
  const DefcnReadOptions all = { .max_damaged = 1, .absolute_names = TRUE };
  g_autoptr (DefcnDataset) data =
      defcn_annotations_open (path, ".", &all, error);
  Summary s = { 0 };

  if (!data)
    return FALSE;
  count (&s, data);
  if (json)
    print_json (&s);
  else
    print_text (&s);
  g_free (s.of_classes);
  return TRUE;
}
