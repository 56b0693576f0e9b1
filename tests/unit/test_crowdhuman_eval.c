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

typedef struct
{
  DefcnSample samples[N_IMAGES];
  DefcnDataset dataset;
  DefcnCrowdhumanEval *eval;
} Set;

static void
set_up (Set *set, const Truth truth[MAX_ROWS], const Found found[MAX_ROWS])
{
  *set =
      (Set){ .dataset = { .crowdhuman = TRUE, .samples = g_ptr_array_new () } };
  for (int i = 0; i < N_IMAGES; i++)
    g_ptr_array_add (set->dataset.samples, &set->samples[i]);
  for (int k = 0; k < MAX_ROWS && truth[k].box[2] != 0; k++) {
    DefcnObject o = { .person = !truth[k].ignored };

    for (int i = 0; i < 4; i++)
      o.bbox[i] = truth[k].box[i];
    g_assert_true (defcn_dataset_add (&set->dataset, truth[k].image, &o));
  }
  set->eval = defcn_crowdhuman_eval_new (&set->dataset);
  for (int k = 0; k < MAX_ROWS && found[k].score != 0; k++)
    defcn_crowdhuman_eval_add (set->eval, found[k].image, 200, 200,
        &found[k].box, &found[k].score, 1);
}

static void
tear_down (Set *set)
{
  defcn_crowdhuman_eval_free (set->eval);
  g_clear_pointer (&set->dataset.packed, g_byte_array_unref);
  g_ptr_array_unref (set->dataset.samples);
}

static void
test_figures (gconstpointer data)
{
  const Case *c = data;
  Set set;

  set_up (&set, c->truth, c->found);
  for (int run = 0; run < 2; run++) {
    DefcnCrowdhumanResult r;

    defcn_crowdhuman_eval_run (set.eval, &r);
    g_test_message ("AP %.15g mMR %.15g recall %.15g", r.ap, r.mmr, r.recall);
    g_assert_cmpfloat_with_epsilon (r.ap, c->ap, 1e-12);
    g_assert_cmpfloat_with_epsilon (r.mmr, c->mmr, 1e-12);
    g_assert_cmpfloat_with_epsilon (r.recall, c->recall, 1e-12);
  }
  tear_down (&set);
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

/* A picture of two persons and an ignored one, one of a single person: what is
 * found, and what is left when only the first takes part. */
static void
test_outcomes (void)
{
  static const struct
  {
    guint least, n_images, n_persons;
    const char *outcomes;
    double ap, mmr, recall;
  } rows[] = {
    /* Recall 1/3, 1/3, 2/3 at precision 1, 1/2, 2/3; half a false box an
     * image: seven references are below that. */
    { 0, 2, 3, "h-h", 7 / 36.0, 0.571495988568715 /* (2/3)^(7/9) (1/3)^(2/9) */,
        2 / 3.0 },
    { 1, 2, 3, "h-h", 7 / 36.0, 0.571495988568715, 2 / 3.0 },
    { 2, 1, 2, "hh", 0.5, 0, 1 },
    { 3, 0, 0, "", 0, 1, 0 },
  };
  static const Truth truth[MAX_ROWS] = { { A }, { B }, { FAR, .ignored = TRUE },
    { A, 1 } };
  static const Found found[MAX_ROWS] = { { A, 0.7 }, { FAR, 0.95 }, { B, 0.9 },
    { B, 0.8, 1 } };
  g_autoptr (GString) text = g_string_new (NULL);
  Set set;

  set_up (&set, truth, found);
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (DefcnOutcomes) outcomes = { 0 };
    DefcnCrowdhumanResult r;

    g_assert_cmpuint (defcn_crowdhuman_eval_restrict (set.eval, rows[i].least),
        ==, rows[i].n_images);
    defcn_crowdhuman_eval_run (set.eval, &r);
    g_test_message ("AP %.15g mMR %.15g recall %.15g", r.ap, r.mmr, r.recall);
    g_assert_cmpfloat_with_epsilon (r.ap, rows[i].ap, 1e-12);
    g_assert_cmpfloat_with_epsilon (r.mmr, rows[i].mmr, 1e-12);
    g_assert_cmpfloat_with_epsilon (r.recall, rows[i].recall, 1e-12);
    defcn_crowdhuman_eval_outcomes (set.eval, &outcomes);
    g_assert_cmpuint (outcomes.n_objects, ==, rows[i].n_persons);
    g_string_set_size (text, 0);
    for (guint k = 0; k < outcomes.outcomes->len; k++)
      g_string_append (text,
          g_array_index (outcomes.outcomes, DefcnOutcome, k).hit ? "h" : "-");
    g_assert_cmpstr (text->str, ==, rows[i].outcomes);
  }
  tear_down (&set);
}

/* The Jaccard index takes boxes as the other figures do: cut to the image where
 * detections were given, ignored regions apart, of the pictures that take
 * part. */
static void
test_jaccard (void)
{
  static const struct
  {
    Truth truth[MAX_ROWS];
    Found found[MAX_ROWS];
    guint least;
    double ji, threshold; /* without the 1e-6 in its denominators */
  } rows[] = {
    { { { A }, { B } }, { { A, 0.9 }, { B, 0.8 } }, 0, 1, 0 },
    /* The second picture's person is missed: (1 + 0) / 2. */
    { { { A }, { A, 1 } }, { { A, 0.9 } }, 0, 0.5, 0 },
    /* It does not take part. */
    { { { A }, { B }, { A, 1 } }, { { A, 0.9 }, { B, 0.8 } }, 2, 1, 0 },
    /* A false box up to 0.4, then half of the persons: 2/3 is the best. */
    { { { A }, { B } }, { { A, 0.9 }, { B, 0.35 }, { FAR, 0.4 } }, 0, 2 / 3.0,
        0 },
    { { { A }, { B } }, { { A, 0.9 }, { B, 0.5 }, { FAR, 0.45 } }, 0, 2 / 3.0,
        0 },
    { { { A }, { B } }, { { A, 0.9 }, { B, 0.65 }, { FAR, 0.45 } }, 0, 1, 0.5 },
    /* Beyond the image 40 x 80 is left of either. */
    { { { { -300, -400, 340, 480 } } }, { { A, 0.9 } }, 0, 1, 0 },
    /* What lies on an ignored region is neither right nor wrong. */
    { { { { 100, 0, 100, 100 }, .ignored = TRUE }, { A } },
        { { A, 0.9 }, { { 110, 10, 20, 20 }, 0.9 } }, 0, 1, 0 },
    { { { { 0 } } }, { { A, 0.9 } }, 0, 0, 0 },
    { { { A } }, { { { 0 } } }, 0, 0, 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    DefcnCrowdhumanResult r = { 0 };
    Set set;

    set_up (&set, rows[i].truth, rows[i].found);
    defcn_crowdhuman_eval_restrict (set.eval, rows[i].least);
    defcn_crowdhuman_eval_jaccard (set.eval, &r);
    g_test_message ("%" G_GSIZE_FORMAT ": %.9f at %.1f", i, r.ji,
        r.ji_threshold);
    g_assert_cmpfloat_with_epsilon (r.ji, rows[i].ji, 2e-6);
    g_assert_cmpfloat_with_epsilon (r.ji_threshold, rows[i].threshold, 1e-9);
    tear_down (&set);
  }
}

/* What NMS leaves of the persons: in the order of the annotations, each picture
 * for itself, ignored ones apart, whatever was found; IoUs of 0.6 stay. */
static void
test_truth_recall (void)
{
  static const struct
  {
    Truth truth[MAX_ROWS];
    double iou;
    guint least;
    double want;
  } rows[] = {
    { { { { 0 } } }, 0.6, 0, -1 },
    { { { A, .ignored = TRUE } }, 0.6, 0, -1 },
    { { { A }, { B } }, 0.6, 0, 1 },
    { { { A }, { A }, { B } }, 0.6, 0, 2 / 3.0 },
    { { { A }, { A, 1 } }, 0.6, 0, 1 },
    { { { A, .ignored = TRUE }, { A }, { A, .ignored = TRUE } }, 0.6, 0, 1 },
    /* 3 : 5 of the union is 0.6 itself, a little more is too much. */
    { { { { 0, 0, 40, 40 } }, { { 0, 10, 40, 40 } } }, 0.6, 0, 1 },
    { { { { 0, 0, 40, 40 } }, { { 0, 9.9, 40, 40 } } }, 0.6, 0, 0.5 },
    { { { { 0, 0, 40, 40 } }, { { 0, 9.9, 40, 40 } } }, 0.7, 0, 1 },
    /* The second goes for the first; the third overlaps that one alone. */
    { { { { 0, 0, 40, 40 } }, { { 0, 6, 40, 40 } }, { { 0, 12, 40, 40 } } },
        0.6, 0, 2 / 3.0 },
    /* The first takes both, as the middle would have. */
    { { { { 0, 6, 40, 40 } }, { { 0, 0, 40, 40 } }, { { 0, 12, 40, 40 } } },
        0.6, 0, 1 / 3.0 },
    /* Nobody cuts them to an image. */
    { { { { -500, 0, 510, 80 } }, { { 0, 0, 10, 80 } } }, 0.6, 0, 1 },
    { { { A }, { A }, { A, 1 } }, 0.6, 2, 0.5 },
  };
  static const Found none[MAX_ROWS];

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    Set set;

    set_up (&set, rows[i].truth, none);
    defcn_crowdhuman_eval_add (set.eval, 0, 200, 200, NULL, NULL, 0);
    defcn_crowdhuman_eval_restrict (set.eval, rows[i].least);
    const double recall =
        defcn_crowdhuman_eval_truth_recall (set.eval, rows[i].iou);
    g_test_message ("%" G_GSIZE_FORMAT ": %.9f", i, recall);
    g_assert_cmpfloat_with_epsilon (recall, rows[i].want, 1e-12);
    tear_down (&set);
  }
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
  g_test_add_func ("/crowdhuman-eval/outcomes", test_outcomes);
  g_test_add_func ("/crowdhuman-eval/jaccard", test_jaccard);
  g_test_add_func ("/crowdhuman-eval/truth recall", test_truth_recall);
  return g_test_run ();
}
