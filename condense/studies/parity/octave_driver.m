% Run by octave.py as: octave-cli octave_driver.m JOB.mat RESULT.mat, in simpleNN's MATLAB folder.
%
% Trains twice from one seed: once with simpleNN's own cnn_train, once step by step with its own functions, logging each step.
% Nothing of simpleNN is changed; that both end in the same weights shows that the log is of what cnn_train does.
% JOB.mat holds y (N,1) from 1, Z (N, pixels), config (file name), options, seed, epochs, bsize, lr, momentum, decay, C, kept.

files = argv();
job = load(files{1});
addpath(genpath('./cnn'), genpath('./opt'));
train_options = ['-s 2 ' job.options];

start = cnn_train(job.y, job.Z, [], [], job.config, [train_options ' -lr 0 -epoch_max 1'], job.seed);
own = cnn_train(job.y, job.Z, [], [], job.config, ...
	[train_options sprintf(' -lr %.17g -epoch_max %d', job.lr, job.epochs)], job.seed);

global gpu_use float_type
gpu_use = false;
float_type = 'double';
prob = check_data(job.y, job.Z, read_config(job.config));
if ~isfield(prob, 'y_mapped')
	prob.y_mapped = job.y; % labels are 1 .. #classes already
end
model = start;
if nargin('init_net') > 1
	net = init_net(model, job.bsize);
else
	net = init_net(model);
end

rand('state', job.seed);
steps = job.epochs*ceil(prob.l/job.bsize);
losses = zeros(steps, 1);
batches = zeros(steps, job.bsize);
velocity = cell(model.L, 1);
velocity(:) = {0};
kept = struct('gradient', {{}}, 'weight', {{}});
lr = job.lr;
for step = 1 : steps
	batches(step, :) = randperm(prob.l, job.bsize);
	[net, loss] = lossgrad_subset(prob, model, net, batches(step, :), 'fungrad');
	losses(step) = loss/job.bsize;
	gradients = cell(model.L, 1);
	for m = 1 : model.L
		gradients{m} = [net.dlossdW{m} net.dlossdb{m}]/job.bsize;
		total = gradients{m} + [model.weight{m} model.bias{m}]/(job.C*prob.l);
		velocity{m} = job.momentum*velocity{m} - lr*total;
		model.weight{m} = model.weight{m} + velocity{m}(:, 1:end-1);
		model.bias{m} = model.bias{m} + velocity{m}(:, end);
	end
	lr = job.lr/(1 + job.decay*step);
	if any(job.kept == step)
		kept.gradient{end+1} = gradients;
		kept.weight{end+1} = cellfun(@(w, b) [w b], model.weight, model.bias, 'UniformOutput', false);
	end
	printf('step %d\n', step);
	fflush(stdout);
end

farthest = 0;
for m = 1 : model.L
	apart = abs([own.weight{m} own.bias{m}] - [model.weight{m} model.bias{m}]);
	farthest = max(farthest, max(apart(:)));
end
initial = cellfun(@(w, b) [w b], start.weight, start.bias, 'UniformOutput', false);
gradient = kept.gradient;
weight = kept.weight;
version_text = ['simpleNN on GNU Octave ' OCTAVE_VERSION];
save('-v6', files{2}, 'losses', 'batches', 'initial', 'gradient', 'weight', 'farthest', 'version_text');
