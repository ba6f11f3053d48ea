mod inputs;
mod scenarios;
mod sim;
mod swarm;
