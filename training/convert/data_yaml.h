/* YOLO's data.yaml: names of the classes and where the pictures are.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  DEFCN_DATA_YAML_TRAIN,
  DEFCN_DATA_YAML_VAL,
  DEFCN_DATA_YAML_TEST,
  DEFCN_DATA_YAML_N_SPLITS
} DefcnDataYamlSplit;

/* What the file says; (transfer full). */
typedef struct
{
  char *path;   /* root of the folders, or NULL */
  char **names; /* by class number; none: NULL.  A number that is left out is
                   its own name */
  /* Of char *: folders, list files. */
  GPtrArray *splits[DEFCN_DATA_YAML_N_SPLITS];
  guint n_keypoints; /* columns behind the box of a row, 0: none */
} DefcnDataYaml;

/* FALSE with @error naming @path: no YAML, no mapping, a name or a folder that
 * is no text, more than 10000 names, nested too deep.  Other keys are passed
 * over. */
gboolean defcn_data_yaml_read (DefcnDataYaml *yaml, const char *path,
    GError **error);
void defcn_data_yaml_clear (DefcnDataYaml *yaml);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DefcnDataYaml, defcn_data_yaml_clear)

G_END_DECLS
