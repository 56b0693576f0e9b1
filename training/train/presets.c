/* The table of presets and that of schedules. */
#include "presets.h"

#include "error.h"
#include "paper.h"

#include <string.h>

#define CROWDHUMAN                                                             \
  "radius=0\nshort_edges=800\nlong_edge=1400\ntest_long_edge=1400\n"           \
  "max_detections=500\niterations=30000\nsteps=20000;25000\n"                  \
  "eval_interval=5000\ngroup=0\n"

/* Backbones of table 7: FAIR's ResNeXts, deformable from res3 on. */
#define R101 "backbone=resnet101\n"
#define X101_DCN(width)                                                        \
  "backbone=resnext101_" width "\npixels=fair\nstride_in_1x1=false\n"          \
  "dcn_from=3\n"
#define FCOS                                                                   \
  "assigner=fcos\nfilter=false\ncenterness=true\naux_topk=0\n"                 \
  "reg_weight=1\nnms_iou=0.6\n"
/* detectron2's RetinaNet, without its schedule. */
#define RETINANET                                                              \
  "assigner=retinanet\nanchors=9\nfilter=false\nnorm_groups=0\n"               \
  "p6_from_c5=true\naux_topk=0\nbox_loss=l1\nreg_weight=1\n"                   \
  "normalizer_momentum=0.9\nnms_iou=0.5\n"

static const struct
{
  const char *name, *text;
} presets[] = {
  { "coco.retinanet", RETINANET },
  { "coco.fcos",
      "assigner=fcos\nfilter=false\naux_topk=0\nreg_weight=1\nnms_iou=0.6\n" },
  { "coco.fcos.ctr", FCOS },
  { "coco.fcos.ctr.x101_32x8d_dcn", FCOS X101_DCN ("32x8d") },
  { "coco.fcos.ctr.x101_64x4d_dcn", FCOS X101_DCN ("64x4d") },
  { "coco.atss",
      "assigner=atss\nfilter=false\ncenterness=true\naux_topk=0\n"
      "nms_iou=0.6\n" },
  { "coco.loss", "assigner=loss\nfilter=false\naux_topk=0\n" },
  { "coco.center", "assigner=center\nfilter=false\naux_topk=0\n" },
  { "coco.anchor", "assigner=anchor\nanchors=1\nfilter=false\naux_topk=0\n" },
  { "coco.poto", "filter=false\naux_topk=0\n" },
  { "coco.poto.inside", "filter=false\naux_topk=0\nradius=0\n" },
  { "coco.poto.global", "filter=false\naux_topk=0\nradius=-1\n" },
  { "coco.poto.add", "filter=false\naux_topk=0\nadditive=true\n" },
  { "coco.poto.argmax", "assigner=argmax\nfilter=false\naux_topk=0\n" },
  { "coco.poto.alpha0", "filter=false\naux_topk=0\nalpha=0\n" },
  { "coco.poto.alpha0.2", "filter=false\naux_topk=0\nalpha=0.2\n" },
  { "coco.poto.alpha0.4", "filter=false\naux_topk=0\nalpha=0.4\n" },
  { "coco.poto.alpha0.6", "filter=false\naux_topk=0\nalpha=0.6\n" },
  { "coco.poto.alpha1", "filter=false\naux_topk=0\nalpha=1\n" },
  { "coco.poto.3dmf.tau0_phi1", "aux_topk=0\ntau=0\nphi=1\n" },
  { "coco.poto.3dmf.tau0_phi3", "aux_topk=0\ntau=0\nphi=3\n" },
  { "coco.poto.3dmf.tau0_phi5", "aux_topk=0\ntau=0\nphi=5\n" },
  { "coco.poto.3dmf.tau2_phi1", "aux_topk=0\ntau=2\nphi=1\n" },
  { "coco.poto.3dmf.tau2_phi5", "aux_topk=0\ntau=2\nphi=5\n" },
  { "coco.poto.3dmf.tau4_phi1", "aux_topk=0\ntau=4\nphi=1\n" },
  { "coco.poto.3dmf.tau4_phi3", "aux_topk=0\ntau=4\nphi=3\n" },
  { "coco.poto.3dmf.tau4_phi5", "aux_topk=0\ntau=4\nphi=5\n" },
  { "coco.fcos.ctr.res101", FCOS R101 },
  { "coco.poto.3dmf.aux.res101", R101 },
  { "coco.poto.3dmf", "aux_topk=0\n" },
  { "coco.poto.3dmf_wo_gn", "filter_norm=false\naux_topk=0\n" },
  { "coco.poto.3dmf.aux", "" },
  { "coco.poto.3dmf.aux.fcos", "aux_assigner=fcos\n" },
  { "coco.poto.3dmf.aux.atss", "aux_assigner=atss\n" },
  { "coco.poto.3dmf.aux.quality_fcos", "aux_assigner=quality-fcos\n" },
  { "coco.poto.3dmf.aux.quality_topk", "aux_assigner=quality-topk\n" },
  { "coco.poto.3dmf.aux.x101_32x8d_dcn", X101_DCN ("32x8d") },
  { "coco.poto.3dmf.aux.x101_64x4d_dcn", X101_DCN ("64x4d") },
  { "coco.poto.3dmf.aux.dcn_head", "dcn_head=true\n" },
  { "coco.poto.3dmf_wo_gn.aux", "filter_norm=false\n" },
  { "crowdhuman.retinanet", CROWDHUMAN RETINANET },
  { "crowdhuman.fcos",
      CROWDHUMAN "assigner=fcos\nradius=1.5\nfilter=false\n"
                 "centerness=true\naux_topk=0\nreg_weight=1\nnms_iou=0.6\n" },
  { "crowdhuman.atss",
      CROWDHUMAN "assigner=atss\nfilter=false\ncenterness=true\n"
                 "aux_topk=0\nnms_iou=0.6\n" },
  { "crowdhuman.poto", CROWDHUMAN "filter=false\naux_topk=0\n" },
  { "crowdhuman.poto.3dmf", CROWDHUMAN "aux_topk=0\n" },
  { "crowdhuman.poto.3dmf.aux", CROWDHUMAN },
};

/* Detectron2's, of 90 000 iterations each; a preset of COCO and one of them is
 * a preset too: coco.poto.2x. */
static const struct
{
  const char *name, *text;
} schedules[] = {
  { "1x", "iterations=90000\nsteps=60000;80000\n" },
  { "2x", "iterations=180000\nsteps=120000;160000\n" },
  { "3x", "iterations=270000\nsteps=210000;250000\n" },
  { "6x", "iterations=540000\nsteps=480000;520000\n" },
  { "9x", "iterations=810000\nsteps=750000;790000\n" },
};

#define COCO "coco."
#define SINGLE_SCALE "_ss" /* after a schedule, as in coco.poto.2x_ss */

/* What the preset of that name says, NULL: there is none. */
static const char *
find_preset (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (presets); i++) {
    if (g_str_equal (presets[i].name, name))
      return presets[i].text;
  }
  return NULL;
}

/* (transfer full): what a preset of COCO with a schedule says. */
static char *
find_scheduled (const char *name)
{
  const char *word = strrchr (name, '.');

  if (!g_str_has_prefix (name, COCO) || !word)
    return NULL;
  g_autofree char *base = g_strndup (name, word - name);
  const char *text = find_preset (base);
  for (gsize i = 0; text && i < G_N_ELEMENTS (schedules); i++) {
    const char *rest = word + 1;

    if (!g_str_has_prefix (rest, schedules[i].name))
      continue;
    rest += strlen (schedules[i].name);
    if (rest[0] == '\0' || g_str_equal (rest, SINGLE_SCALE))
      return g_strconcat (text, schedules[i].text,
          rest[0] ? "short_edges=800\n" : "", NULL);
  }
  return NULL;
}

const char *const *
defcn_presets_names (void)
{
  static const char *names[G_N_ELEMENTS (presets) + 1];

  for (gsize i = 0; i < G_N_ELEMENTS (presets); i++)
    names[i] = presets[i].name;
  return names;
}

char *
defcn_presets_text (const char *name, GError **error)
{
  const char *own = find_preset (name);
  char *text = own ? g_strdup (own) : find_scheduled (name);

  if (!text) {
    g_autofree char *all = g_strjoinv (", ", (char **) defcn_presets_names ());

    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "no preset \"%s\"; there are %s, and those of COCO with .1x, .2x, .3x, "
        ".6x or .9x behind them, or .2x" SINGLE_SCALE " and the like",
        name, all);
  }
  return text;
}

void
defcn_presets_append_help (GString *text)
{
  g_string_append (text,
      "Presets, and where in the paper (arXiv 2012.03544) they stand:\n");
  for (gsize i = 0; i < G_N_ELEMENTS (presets); i++)
    g_string_append_printf (text, "  %-32s %s\n", presets[i].name,
        defcn_paper_place (presets[i].name));
  g_string_append (text,
      "\nEach of COCO has 3x, 270 000 iterations of pictures of 640 to 800 "
      "pixels, as the\nrelease; with another behind it that:\n");
  for (gsize i = 0; i < G_N_ELEMENTS (schedules); i++) {
    g_auto (GStrv) lines = g_strsplit (schedules[i].text, "\n", -1);

    g_string_append_printf (text, "  .%-31s %s, %s%s\n", schedules[i].name,
        lines[0], lines[1],
        g_str_equal (schedules[i].name, "2x") ? ": the paper's" : "");
  }
  g_string_append_printf (text,
      "  %-32s the same, all pictures of 800 pixels\n",
      ".1x" SINGLE_SCALE " .2x" SINGLE_SCALE " ...");
}
