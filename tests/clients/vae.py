"""A variational autoencoder of MNIST (Kingma & Welling, arXiv:1312.6114), 784-400-20-400-784, as PyTorch has it."""

import torch
from torch import nn, optim
from torch.nn import functional as F


class VAE(nn.Module):
    def __init__(self, rng, hidden, latent):
        super().__init__()
        self.rng = rng
        self.fc1 = nn.Linear(784, hidden)
        self.fc21 = nn.Linear(hidden, latent)
        self.fc22 = nn.Linear(hidden, latent)
        self.fc3 = nn.Linear(latent, hidden)
        self.fc4 = nn.Linear(hidden, 784)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.from_numpy(self.rng.standard_normal(tuple(std.shape))).type_as(std)
        return mu + eps * std

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, 784))
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar


def loss_function(recon_x, x, mu, logvar):
    """Reconstruction and KL divergence, summed over all elements and the batch."""
    bce = F.binary_cross_entropy(recon_x, x.view(-1, 784), reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld


def make(rng, hidden=400, latent=20):
    return VAE(rng, hidden, latent)


def train(model, rng, images, labels, epochs=1, batch_size=128):
    x = torch.from_numpy(images).to(torch.get_default_dtype()) / 255
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(epochs):
        model.train()
        order = torch.from_numpy(rng.permutation(len(x)))
        for start in range(0, len(x), batch_size):
            data = x[order[start : start + batch_size]]
            optimizer.zero_grad()
            recon_batch, mu, logvar = model(data)
            loss = loss_function(recon_batch, data, mu, logvar)
            loss.backward()
            optimizer.step()
            yield loss.item() / len(data)


@torch.no_grad()
def result(model, rng, images, labels):
    model.eval()
    x = torch.from_numpy(images).to(torch.get_default_dtype()) / 255
    total = sum(loss_function(*one(model, part)).item() for part in x.split(500))
    return {"test -ELBO (nats)": total / len(x)}


def one(model, x):
    recon, mu, logvar = model(x)
    return recon, x, mu, logvar
