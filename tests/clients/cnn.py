"""A convolutional network for MNIST, in the manner of PyTorch's own example: dropout, Adadelta, StepLR, log_softmax."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self, rng, channels):
        super().__init__()
        self.rng = rng
        self.conv1 = nn.Conv2d(1, channels, 3, 1)
        self.conv2 = nn.Conv2d(channels, 2 * channels, 3, 1)
        self.fc1 = nn.Linear(288 * channels, 128)
        self.fc2 = nn.Linear(128, 10)

    def dropout(self, x, p):
        """NumPy draws, so that both libraries drop the same."""
        if not self.training:
            return x
        kept = torch.from_numpy(self.rng.random(tuple(x.shape)) >= p)
        return x * kept.to(x.dtype) / (1 - p)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = self.dropout(F.max_pool2d(x, 2), 0.25)
        x = torch.flatten(x, 1)
        x = self.dropout(F.relu(self.fc1(x)), 0.5)
        return F.log_softmax(self.fc2(x), dim=1)


def make(rng, channels=8):
    return Net(rng, channels)


def train(model, rng, images, labels, epochs=1, batch_size=64, lr=1.0, gamma=0.7):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device)
    dataset = TensorDataset(normalized(images), torch.from_numpy(labels.astype(np.int64)))
    optimizer = optim.Adadelta(model.parameters(), lr=lr)
    scheduler = StepLR(optimizer, step_size=1, gamma=gamma)
    for _ in range(epochs):
        model.train()
        for data, target in DataLoader(dataset, batch_size, sampler=rng.permutation(len(dataset)).tolist()):
            data, target = data.to(device), target.to(device)
            optimizer.zero_grad()
            loss = F.nll_loss(model(data), target)
            loss.backward()
            optimizer.step()
            yield loss.item()
        scheduler.step()


def normalized(images):
    """(n, 28, 28) bytes as (n, 1, 28, 28) floats of mean 0 and deviation 1."""
    x = torch.from_numpy(images).to(torch.get_default_dtype()).div(255).unsqueeze(1)
    return x.sub(0.1307).div(0.3081)


def result(model, rng, images, labels):
    model.eval()
    loss, correct = 0.0, 0
    dataset = TensorDataset(normalized(images), torch.from_numpy(labels.astype(np.int64)))
    with torch.no_grad():
        for data, target in DataLoader(dataset, batch_size=500):
            output = model(data)
            loss += F.nll_loss(output, target, reduction="sum").item()
            pred = output.argmax(dim=1, keepdim=True)
            correct += pred.eq(target.view_as(pred)).sum().item()
    return {"test accuracy": correct / len(dataset), "test loss": loss / len(dataset)}
