"""The accuracy as a metric file for the library evaluate.

evaluate.load takes the path of this file, and then needs no network. The chapter on
sentiment does so.
"""

import evaluate
from datasets import Features, Value

DESCRIPTION = "Accuracy: the fraction of correct predictions."
INPUTS = """
Args:
    predictions: predicted class numbers.
    references: true class numbers.
Returns:
    accuracy, from 0 to 1.
"""


@evaluate.utils.file_utils.add_start_docstrings(DESCRIPTION, INPUTS)
class Accuracy(evaluate.Metric):
    def _info(self):
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="",
            inputs_description=INPUTS,
            features=Features(
                {"predictions": Value("int64"), "references": Value("int64")}
            ),
        )

    def _compute(self, predictions, references):
        pairs = zip(predictions, references, strict=True)
        correct = sum(predicted == true for predicted, true in pairs)
        return {"accuracy": int(correct) / len(references)}
