/* Where in the paper each preset stands. */
#include "paper.h"

static const struct
{
  const char *preset, *place;
} places[] = {
  { "coco.fcos", "table 1: one-to-many, the baseline; figures 1, 4" },
  { "coco.fcos.ctr", "tables 2, 5, 7: FCOS; figure 5" },
  { "coco.fcos.ctr.res101", "table 7: FCOS, ResNet-101" },
  { "coco.fcos.ctr.x101_32x8d_dcn", "table 7: FCOS, ResNeXt-101 with DCN" },
  { "coco.fcos.ctr.x101_64x4d_dcn", "table 7: FCOS, its other ResNeXt-101" },
  { "coco.atss", "ATSS, the rule of tables 8 and 9 on COCO" },
  { "coco.retinanet", "the release: RetinaNet, of detectron2" },
  { "coco.anchor", "table 1: one-to-one, anchor; figure 1" },
  { "coco.center", "table 1: one-to-one, center; figure 1" },
  { "coco.loss", "table 1: one-to-one, foreground loss" },
  { "coco.poto",
      "tables 1, 5: POTO; tables 3, 4: center sampling, 0.8, mul; "
      "figures 1, 4" },
  { "coco.poto.inside", "table 3: inside box" },
  { "coco.poto.global", "table 3: global" },
  { "coco.poto.alpha0", "table 3: alpha 0" },
  { "coco.poto.alpha0.2", "table 3: alpha 0.2" },
  { "coco.poto.alpha0.4", "table 3: alpha 0.4" },
  { "coco.poto.alpha0.6", "table 3: alpha 0.6" },
  { "coco.poto.alpha1", "table 3: alpha 1" },
  { "coco.poto.add", "table 4: add" },
  { "coco.poto.argmax", "the release: the best location, no matching" },
  { "coco.poto.3dmf",
      "tables 1, 5: POTO + 3DMF; table 6: tau 2, phi 3; table "
      "9: no auxiliary loss; figures 2, 3, 4" },
  { "coco.poto.3dmf.tau0_phi1", "table 6: tau 0, phi 1" },
  { "coco.poto.3dmf.tau0_phi3", "table 6: tau 0, phi 3" },
  { "coco.poto.3dmf.tau0_phi5", "table 6: tau 0, phi 5" },
  { "coco.poto.3dmf.tau2_phi1", "table 6: tau 2, phi 1" },
  { "coco.poto.3dmf.tau2_phi5", "table 6: tau 2, phi 5" },
  { "coco.poto.3dmf.tau4_phi1", "table 6: tau 4, phi 1" },
  { "coco.poto.3dmf.tau4_phi3", "table 6: tau 4, phi 3" },
  { "coco.poto.3dmf.tau4_phi5", "table 6: tau 4, phi 5" },
  { "coco.poto.3dmf_wo_gn", "the release: figure 3 without group norm" },
  { "coco.poto.3dmf.aux",
      "tables 1, 5, 7, 10: ours; table 9: Quality-ATSS; "
      "figures 2, 5" },
  { "coco.poto.3dmf.aux.res101", "table 7: ours, ResNet-101" },
  { "coco.poto.3dmf.aux.x101_32x8d_dcn",
      "table 7: ours, ResNeXt-101 with DCN" },
  { "coco.poto.3dmf.aux.x101_64x4d_dcn",
      "table 7: ours, its other "
      "ResNeXt-101" },
  { "coco.poto.3dmf.aux.dcn_head",
      "table 10: ours*, as far as the paper says what it is" },
  { "coco.poto.3dmf.aux.fcos", "table 9: FCOS" },
  { "coco.poto.3dmf.aux.atss", "table 9: ATSS" },
  { "coco.poto.3dmf.aux.quality_fcos", "table 9: Quality-FCOS" },
  { "coco.poto.3dmf.aux.quality_topk", "table 9: Quality-Top-k" },
  { "coco.poto.3dmf_wo_gn.aux", "the release: figure 3 without group norm" },
  { "crowdhuman.retinanet", "table 8: RetinaNet" },
  { "crowdhuman.fcos", "table 8: FCOS; figure 5" },
  { "crowdhuman.atss", "table 8: ATSS" },
  { "crowdhuman.poto", "table 8: POTO" },
  { "crowdhuman.poto.3dmf", "table 8: POTO + 3DMF" },
  { "crowdhuman.poto.3dmf.aux", "table 8: ours; figure 5" },
};

const char *
defcn_paper_place (const char *preset)
{
  for (gsize i = 0; i < G_N_ELEMENTS (places); i++) {
    if (g_str_equal (places[i].preset, preset))
      return places[i].place;
  }
  return "";
}

const char *const *
defcn_paper_presets (void)
{
  static const char *names[G_N_ELEMENTS (places) + 1];

  for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
    names[i] = places[i].preset;
  return names;
}
