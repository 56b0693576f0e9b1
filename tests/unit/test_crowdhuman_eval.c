/* The CrowdHuman figures on cases small enough to work out by hand. */
#include "eval/crowdhuman_eval.h"

#include <math.h>

#define MAX_ROWS 5
#define N_IMAGES 2

/* A row without width is the end of its list. */
typedef struct
{
  double box[4];
  int image;
  gboolean ignored;
} Truth;

typedef struct
{
  double box[4], score;
  int image;
} Found;

typedef struct
{
  const char *name;
  Truth truth[MAX_ROWS];
  Found found[MAX_ROWS];
  double ap, mmr, recall;
} Case;

#define A                                                                      \
  {                                                                            \
    0, 0, 40, 80                                                               \
  }
#define B                                                                      \
  {                                                                            \
    50, 0, 40, 80                                                              \
  }
#define FAR                                                                    \
  {                                                                            \
    150, 100, 40, 80                                                           \
  }

/* Two images of 200 x 200, so one false box is 0.5 per image. */
static const Case cases[] = {
  { "no boxes", { { A } }, { { { 0 } } }, 0, 1, 0 },
  { "no persons", { { { 0 } } }, { { A, 0.9 } }, 0, 1, 0 },
  { "only ignored", { { A, .ignored = TRUE } }, { { A, 0.9 } }, 0, 1, 0 },
  /* What is left of the first point is not counted. */
  { "one, found", { { A } }, { { A, 0.9 } }, 0, 0, 1 },
  { "two, found", { { A }, { B } }, { { A, 0.9 }, { B, 0.8 } }, 0.5, 0, 1 },
  { "one in each image", { { A }, { A, 1 } }, { { A, 0.9 }, { A, 0.8, 1 } },
      0.5, 0, 1 },
  /* Recall 1/2 at every rate; no step of the recall after the first point. */
  { "a false one last", { { A }, { B } }, { { A, 0.9 }, { FAR, 0.8 } }, 0, 0.5,
      0.5 },
  /* The first point has 0.5 false an image already, so the references up to it
   * (0.01 .. 0.3162) see recall 0, the last two the end of the list. */
  { "a false one first", { { A }, { B } }, { { FAR, 0.9 }, { A, 0.8 } }, 0.125,
      0.857243982853073 /* 0.5^(2/9) */, 0.5 },
  { "a tie, the false one last", { { A }, { B } }, { { A, 0.9 }, { FAR, 0.9 } },
      0, 0.5, 0.5 },
  { "two boxes on one person", { { A }, { B } }, { { A, 0.9 }, { A, 0.8 } }, 0,
      0.5, 0.5 },
  /* Boxes on an ignored region are dropped, however many. */
  { "an ignored region",
      { { { 100, 0, 100, 100 }, .ignored = TRUE }, { A }, { B } },
      { { { 110, 10, 20, 20 }, 0.95 }, { { 120, 20, 20, 20 }, 0.94 },
          { A, 0.9 }, { B, 0.8 } },
      0.5, 0, 1 },
  { "a person in an ignored region",
      { { { 0, 0, 200, 200 }, .ignored = TRUE }, { A }, { B } },
      { { A, 0.9 }, { B, 0.8 } }, 0.5, 0, 1 },
  /* A person comes before an ignored region, whatever that overlaps. */
  { "a loose box in an ignored region",
      { { { 0, 0, 200, 200 }, .ignored = TRUE }, { A }, { B } },
      { { { 0, 0, 40, 60 }, 0.9 }, { B, 0.8 } }, 0.5, 0, 1 },
  /* The rate is per image, of which there are half as many as persons. */
  { "four persons", { { A }, { B }, { A, 1 }, { B, 1 } },
      { { FAR, 0.9 }, { A, 0.8 } }, 0.0625, 0.9380712724561936 /* 0.75^(2/9) */,
      0.25 },
  /* 1 false an image is the last reference itself, found without A. */
  { "the rate of a reference", { { A }, { B } },
      { { FAR, 0.9 }, { { 150, 10, 40, 80 }, 0.85 }, { A, 0.8 } }, 1 / 12.0, 1,
      0.5 },
  /* More than 0.5 is wanted. */
  { "IoU of 0.5", { { A }, { B } }, { { B, 0.9 }, { { 0, 0, 40, 40 }, 0.8 } },
      0, 0.5, 0.5 },
  { "IoU above 0.5", { { A }, { B } },
      { { B, 0.9 }, { { 0, 0, 40, 40.1 }, 0.8 } }, 0.5, 0, 1 },
  /* Both are cut to the image before they are compared: 40 x 80 is left. */
  { "beyond the image", { { { -300, -400, 340, 480 } }, { B } },
      { { A, 0.9 }, { B, 0.8 } }, 0.5, 0, 1 },
  { "a box beyond the image", { { A }, { B } },
      { { { -300, -400, 340, 480 }, 0.9 }, { B, 0.8 } }, 0.5, 0, 1 },
  /* Of what lies beyond the right or lower edge the last pixels are left. */
  { "right of the image", { { { 250, 0, 40, 80 } }, { B } },
      { { { 260, 0, 40, 80 }, 0.9 }, { B, 0.8 } }, 0.5, 0, 1 },
  { "below the image", { { { 0, 250, 40, 80 } }, { B } },
      { { { 0, 260, 40, 80 }, 0.9 }, { B, 0.8 } }, 0.5, 0, 1 },
  { "no score", { { A }, { B } }, { { FAR, NAN }, { A, 0.9 }, { B, 0.8 } }, 0.5,
      0, 1 },
  { "no box", { { A }, { B } }, { { A, 0.9 }, { { NAN, 0, 9, 9 }, 0.8 } }, 0,
      0.5, 0.5 },
};

static void
test_figures (gconstpointer data)
{
  const Case *c = data;
  DefcnSample samples[N_IMAGES] = { { 0 } };
  DefcnDataset dataset = { .crowdhuman = TRUE, .samples = g_ptr_array_new () };

  for (int i = 0; i < N_IMAGES; i++) {
    g_ptr_array_add (dataset.samples, &samples[i]);
  }
  for (int k = 0; k < MAX_ROWS && c->truth[k].box[2] != 0; k++) {
    DefcnObject o = { .person = !c->truth[k].ignored };

    for (int i = 0; i < 4; i++)
      o.bbox[i] = c->truth[k].box[i];
    g_assert_true (defcn_dataset_add (&dataset, c->truth[k].image, &o));
  }

  DefcnCrowdhumanEval *eval = defcn_crowdhuman_eval_new (&dataset);
  for (int k = 0; k < MAX_ROWS && c->found[k].score != 0; k++)
    defcn_crowdhuman_eval_add (eval, c->found[k].image, 200, 200,
        &c->found[k].box, &c->found[k].score, 1);
  for (int run = 0; run < 2; run++) {
    DefcnCrowdhumanResult r;

    defcn_crowdhuman_eval_run (eval, &r);
    g_test_message ("AP %.15g mMR %.15g recall %.15g", r.ap, r.mmr, r.recall);
    g_assert_cmpfloat_with_epsilon (r.ap, c->ap, 1e-12);
    g_assert_cmpfloat_with_epsilon (r.mmr, c->mmr, 1e-12);
    g_assert_cmpfloat_with_epsilon (r.recall, c->recall, 1e-12);
  }
  defcn_crowdhuman_eval_free (eval);
  g_clear_pointer (&dataset.packed, g_byte_array_unref);
  g_ptr_array_unref (dataset.samples);
}

/* A file without detections for an image: its persons are missed and not cut
 * to an image whose size nobody knows. */
static void
test_missing_image (void)
{
  DefcnSample samples[2] = { { 0 } };
  DefcnDataset dataset = { .crowdhuman = TRUE, .samples = g_ptr_array_new () };
  const DefcnObject o = { .person = TRUE, .bbox = A };
  const double box[1][4] = { A }, score = 0.9;
  DefcnCrowdhumanResult r;

  for (int i = 0; i < 2; i++) {
    g_ptr_array_add (dataset.samples, &samples[i]);
    g_assert_true (defcn_dataset_add (&dataset, i, &o));
  }
  DefcnCrowdhumanEval *eval = defcn_crowdhuman_eval_new (&dataset);
  defcn_crowdhuman_eval_add (eval, 1, 100, 100, box, &score, 1);
  defcn_crowdhuman_eval_run (eval, &r);
  g_assert_cmpfloat (r.recall, ==, 0.5);
  g_assert_cmpfloat (r.ap, ==, 0);
  g_assert_cmpfloat_with_epsilon (r.mmr, 0.5, 1e-12);
  defcn_crowdhuman_eval_free (eval);
  g_clear_pointer (&dataset.packed, g_byte_array_unref);
  g_ptr_array_unref (dataset.samples);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path =
        g_strconcat ("/crowdhuman-eval/figures/", cases[i].name, NULL);

    g_test_add_data_func (path, &cases[i], test_figures);
  }
  g_test_add_func ("/crowdhuman-eval/missing image", test_missing_image);
  return g_test_run ();
}
