"""One file per vendor of models: build, loss, graph. The only room that knows a vendor."""
