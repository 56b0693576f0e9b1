/* What an assignment is, and what all ways to it begin and end with. */
#include "assignment.h"

DefcnAssignment *
defcn_assignment_new (int n_locations, int n_classes)
{
  DefcnAssignment *a = g_new0 (DefcnAssignment, 1);

  a->n_locations = n_locations;
  a->n_classes = n_classes;
  a->classes = g_new (int, n_locations);
  a->objects = g_new (int, n_locations);
  a->targets = g_malloc0_n (n_locations, sizeof *a->targets);
  for (int j = 0; j < n_locations; j++) {
    a->classes[j] = n_classes;
    a->objects[j] = -1;
  }
  return a;
}

void
defcn_assignment_free (DefcnAssignment *assignment)
{
  if (!assignment)
    return;
  g_free (assignment->classes);
  g_free (assignment->objects);
  g_free (assignment->targets);
  g_free (assignment);
}

void
defcn_assignment_set (DefcnAssignment *out, const int *winners,
    const DefcnPoint *points, const DefcnObject *const *kept, const int *origin)
{
  out->n_foreground = 0;
  for (int j = 0; j < out->n_locations; j++) {
    const int i = winners[j];

    out->classes[j] = i == DEFCN_WINNER_NEITHER ? DEFCN_CLASS_IGNORED
        : i < 0                                 ? out->n_classes
                                                : kept[i]->label;
    out->objects[j] = i < 0 ? -1 : origin[i];
    if (i < 0)
      continue;
    defcn_point_targets (out->targets[j], &points[j], kept[i]);
    out->n_foreground++;
  }
}

void
defcn_assignment_ignore (DefcnAssignment *out, const DefcnPoint *points,
    const GArray *objects)
{
  for (guint i = 0; i < objects->len; i++) {
    const DefcnObject *object = &g_array_index (objects, DefcnObject, i);

    for (int j = 0; object->label < 0 && j < out->n_locations; j++)
      if (out->objects[j] < 0 && defcn_point_allowed (&points[j], object, 0))
        out->classes[j] = DEFCN_CLASS_IGNORED;
  }
}

int
defcn_assignment_keep (const DefcnObject **kept, int *origin,
    const GArray *objects, int n_classes)
{
  int n = 0;

  for (guint i = 0; i < objects->len; i++) {
    const DefcnObject *object = &g_array_index (objects, DefcnObject, i);

    g_return_val_if_fail (object->label < n_classes, 0);
    if (object->label < 0)
      continue;
    kept[n] = object;
    origin[n++] = i;
  }
  return n;
}
