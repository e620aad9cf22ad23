"""Data sets, samplers and the `DataLoader`, by PyTorch's names.

>>> import autograd_mini as am
>>> from autograd_mini.utils.data import DataLoader, TensorDataset
>>> pairs = TensorDataset(am.arange(6).float(), am.tensor([0, 1, 0, 1, 0, 1]))
>>> for x, y in DataLoader(pairs, batch_size=4):
...     print(x, y)
tensor([0., 1., 2., 3.]) tensor([0, 1, 0, 1])
tensor([4., 5.]) tensor([0, 1])
"""

from .dataloader import DataLoader, default_collate, default_convert
from .dataset import ConcatDataset, Dataset, IterableDataset, Rows, Subset, TensorDataset, random_split
from .distributed import DistributedBatchSampler, DistributedSampler
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, WeightedRandomSampler

__all__ = [
    "BatchSampler", "ConcatDataset", "DataLoader", "Dataset", "DistributedBatchSampler", "DistributedSampler",
    "IterableDataset", "RandomSampler", "Rows", "Sampler", "SequentialSampler", "Subset", "TensorDataset",
    "WeightedRandomSampler", "default_collate", "default_convert", "random_split",
]  # fmt: skip
