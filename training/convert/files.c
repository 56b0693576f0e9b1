/* COCO's and CrowdHuman's annotations, written row by row. */
#include "files.h"

#include "data/output.h"
#include "error.h"

#include <cjson/cJSON.h>
#include <string.h>

/* @text as a JSON string; (transfer full). */
static char *
quoted (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  cJSON *string = cJSON_CreateString (valid);
  char *json = cJSON_PrintUnformatted (string), *copy = g_strdup (json);

  cJSON_free (json);
  cJSON_Delete (string);
  return copy;
}

/* "[x,y,w,h]" */
static void
put_box (FILE *file, const double box[4])
{
  for (int k = 0; k < 4; k++) {
    char number[G_ASCII_DTOSTR_BUF_SIZE];

    fprintf (file, "%c%s", k ? ',' : '[',
        g_ascii_formatd (number, sizeof number, "%.10g", box[k]));
  }
  fputc (']', file);
}

/* The file's name of sample @i, without the folder that CrowdHuman's lack. */
static char *
name_of (const DefcnDataset *dataset, guint i)
{
  const DefcnSample *sample = dataset->samples->pdata[i];

  if (!dataset->crowdhuman)
    return g_strdup (sample->name);
  g_autofree char *path = defcn_dataset_image_path (dataset, i);
  return g_path_get_basename (path);
}

static gboolean
put_images (FILE *file, const DefcnDataset *dataset, GError **error)
{
  fputs ("{\"images\":[", file);
  for (guint i = 0; i < dataset->samples->len; i++) {
    const DefcnSample *sample = dataset->samples->pdata[i];
    g_autofree char *id = defcn_dataset_id (dataset, sample->id);
    g_autofree char *plain = name_of (dataset, i);
    g_autofree char *name = quoted (plain);
    int size[2];

    if (!defcn_folder_size (size, dataset, i, error))
      return FALSE;
    fprintf (file,
        "%s\n{\"id\":%s,\"file_name\":%s,\"width\":%d,\"height\":%d}",
        i ? "," : "", id, name, size[0], size[1]);
  }
  fputs ("],\n\"annotations\":[", file);
  return TRUE;
}

static void
put_objects (FILE *file, const DefcnDataset *dataset, guint i,
    DefcnConverted *done)
{
  const DefcnSample *sample = dataset->samples->pdata[i];
  g_autofree char *image = defcn_dataset_id (dataset, sample->id);
  g_autoptr (GArray) objects = defcn_dataset_objects (dataset, i);

  for (guint k = 0; k < objects->len; k++) {
    const DefcnObject *o = &g_array_index (objects, DefcnObject, k);
    g_autofree char *category = defcn_dataset_id (dataset,
        g_array_index (dataset->category_ids, gint64, MAX (o->label, 0)));
    char area[G_ASCII_DTOSTR_BUF_SIZE];

    fprintf (file,
        "%s\n{\"id\":%u,\"image_id\":%s,\"category_id\":%s,\"iscrowd\":%d,"
        "\"area\":%s,\"bbox\":",
        done->n_objects ? "," : "", done->n_objects + 1, image, category,
        o->crowd || o->label < 0,
        g_ascii_formatd (area, sizeof area, "%.10g", o->area));
    put_box (file, o->bbox);
    fputc ('}', file);
    done->n_objects++;
  }
  done->n_images++;
}

gboolean
defcn_files_write_coco (const char *path, const DefcnDataset *dataset,
    DefcnConverted *done, GError **error)
{
  g_autoptr (DefcnOutput) output = defcn_output_open (path, error);

  if (!output)
    return FALSE;
  FILE *file = defcn_output_file (output);
  if (!put_images (file, dataset, error))
    return FALSE;
  for (guint i = 0; i < dataset->samples->len; i++)
    put_objects (file, dataset, i, done);
  fputs ("],\n\"categories\":[", file);
  for (guint k = 0; k < dataset->labels->len; k++) {
    g_autofree char *id = defcn_dataset_id (dataset,
        g_array_index (dataset->category_ids, gint64, k));
    g_autofree char *name = quoted (dataset->labels->pdata[k]);

    fprintf (file, "%s\n{\"id\":%s,\"name\":%s}", k ? "," : "", id, name);
  }
  fputs ("]}\n", file);
  return defcn_output_close (output, error);
}

/* A picture's name without its ending. */
static char *
id_of (const char *name, GError **error)
{
  char *id = g_strdup (name), *dot = strrchr (id, '.');

  if (dot)
    *dot = '\0';
  if (*id && !strpbrk (id, "/\\"))
    return id;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "\"%s\" is in a folder, which an ID of CrowdHuman cannot tell", name);
  g_free (id);
  return NULL;
}

static gboolean
put_line (FILE *file, const DefcnDataset *dataset, guint i,
    DefcnConverted *done, GError **error)
{
  g_autofree char *name = name_of (dataset, i);
  g_autofree char *id = id_of (name, error);
  g_autoptr (GArray) objects = defcn_dataset_objects (dataset, i);

  if (!id)
    return FALSE;
  g_autofree char *text = quoted (id);
  fprintf (file, "{\"ID\":%s,\"gtboxes\":[", text);
  for (guint k = 0; k < objects->len; k++) {
    const DefcnObject *o = &g_array_index (objects, DefcnObject, k);

    fprintf (file, "%s{\"tag\":\"person\",\"fbox\":", k ? "," : "");
    put_box (file, o->bbox);
    fprintf (file, ",\"extra\":{\"ignore\":%d}}", o->crowd || o->label < 0);
  }
  fputs ("]}\n", file);
  done->n_images++;
  done->n_objects += objects->len;
  return TRUE;
}

gboolean
defcn_files_write_crowdhuman (const char *path, const DefcnDataset *dataset,
    DefcnConverted *done, GError **error)
{
  if (dataset->labels->len != 1
      || !g_str_equal (dataset->labels->pdata[0], "person")) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "CrowdHuman has one class, person (--classes=person takes only that)");
    return FALSE;
  }
  if (!defcn_folder_check_stems (dataset, NULL, error))
    return FALSE;
  g_autoptr (DefcnOutput) output = defcn_output_open (path, error);
  if (!output)
    return FALSE;
  for (guint i = 0; i < dataset->samples->len; i++)
    if (!put_line (defcn_output_file (output), dataset, i, done, error))
      return FALSE;
  return defcn_output_close (output, error);
}
