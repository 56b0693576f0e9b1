/* A network of real depth and tiny widths, and the backend under test. */
#pragma once

#include "backend.h"
#include "model.h"
#include "testing.h"

static const char *const labels[] = { "person", "car", NULL };

static inline DefcnSpec *
tiny_spec (DefcnBackbone backbone, int depth, gboolean filter)
{
  DefcnSpec *spec = defcn_spec_new (labels);

  spec->backbone = backbone;
  spec->depth = depth;
  spec->group_width = 4;
  spec->stem_channels = 8;
  spec->res2_channels = depth < 50 ? 8 : 16;
  spec->fpn_channels = 16;
  spec->norm_groups = 4;
  spec->tower_depth = 2;
  spec->filter = filter;
  spec->freeze_at = 0;
  return spec;
}

static inline DefcnBackend *
open_backend (void)
{
  g_autoptr (GError) error = NULL;
  DefcnBackend *be = defcn_backend_new (testing_backend (), 1, &error);

  g_assert_no_error (error);
  return be;
}
