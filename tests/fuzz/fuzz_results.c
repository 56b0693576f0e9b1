/* Files of results, COCO's and CrowdHuman's. */
#include "data/annotations.h"
#include "eval/results.h"
#include "input.h"

#include <stdlib.h>
#include <unistd.h>

static const char coco[] =
    "{\"images\":[{\"id\":1,\"file_name\":\"a\",\"width\":9,\"height\":9},"
    "{\"id\":\"x\",\"file_name\":\"b\",\"width\":9,\"height\":9}],"
    "\"categories\":[{\"id\":1,\"name\":\"c\"}],\"annotations\":[{\"id\":1,"
    "\"image_id\":1,\"category_id\":1,\"bbox\":[1,2,3,4]}]}";
static const char odgt[] = "{\"ID\":\"a\",\"gtboxes\":[{\"tag\":\"person\","
                           "\"fbox\":[1,2,3,4]}]}";

/* What the results are of, read once. */
static DefcnDataset *
truth (const char *ending, const char *text)
{
  g_autofree char *path = g_strdup_printf ("%s/fuzz-results-%d%s",
      g_get_tmp_dir (), (int) getpid (), ending);

  if (!g_file_set_contents (path, text, -1, NULL))
    abort ();
  DefcnDataset *dataset = defcn_annotations_open (path, "/nowhere", NULL, NULL);
  unlink (path);
  return dataset;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static DefcnDataset *truths[2];
  const char *path = fuzz_input_path (data, size);

  if (!truths[0]) {
    truths[0] = truth (".json", coco);
    truths[1] = truth (".odgt", odgt);
  }
  for (int k = 0; k < 2; k++) {
    g_auto (DefcnFigures) figures = { 0 };
    g_autoptr (GError) error = NULL;
    const gboolean good = defcn_results_evaluate (truths[k], path,
        &defcn_evaluate_defaults, &figures, &error);

    fuzz_check (good ? truths[k] : NULL, error);
  }
  return 0;
}
